"""The examples of docs/extending.md run as written there."""

from __future__ import annotations

import json
import re
import shutil
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.paths import REPOSITORY
from helpers.processes import run_source
from helpers.quality_checks import states, write_catalog
from quality.videos import make_video
from quality.writing import write_video_example

import avsa
from avsa.commands.stats import command as stats_command
from avsa.commands.train import command as train_command
from avsa.evals.result import records_of
from avsa.training.metrics_log import read_log
from yt360.labels.classes import NAMES, NO_CLASS
from yt360.labels.format.reader import LabelReader, LabelSet
from yt360.randomness import keyed_generator

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
SMALL_LABELS = "--views panorama --fps 1 --height 32 --split test --name bright"
SMALL_RUN = " ".join(
    f"--set {change}"
    for change in (
        "views.height=16",
        "views.width=16",
        "audio.n_mels=16",
        "encoders.audio.base_channels=16",
        "data.num_workers=1",
        "stages.avsa.batch_size=4",
        "compute.bfloat16=off",
    )
)


def save_example(folder, module):
    """Save the module that the page tells to save."""
    code = re.search(rf"as\s`{module}\.py`:\n\n```python\n(.*?)```", PAGE, re.S)[1]
    (folder / f"{module}.py").write_text(code)


def command_of(pattern):
    """Return the arguments of a command on the page."""
    return re.search(rf"^({pattern}.*)$", PAGE, re.M)[1].split()


def python(folder, *lines):
    """Run lines in a process of their own: registries of this one stay as they are."""
    return run_source(folder, "\n".join(lines))


def call(program, *arguments):
    """Return the line of Python that calls a command."""
    return f"from {program}.cli import cli; cli.main({list(arguments)!r}, standalone_mode=False)"


def test_a_segmenter_of_ones_own_labels_a_dataset(tmp_path):
    save_example(tmp_path, "brightness")
    program, *arguments = command_of("yt360 --plugin .* --name bright")
    dataset = shutil.copytree(REPOSITORY / "shards", tmp_path / "DATASET")
    python(tmp_path, call(program, *arguments[:-2], *SMALL_LABELS.split()))
    made_by = LabelSet.load(dataset, "bright").made_by
    assert made_by["segmenter"] == "brightness" and made_by["threshold"] == 150
    labels = LabelReader(dataset, "test", "bright")
    classes = [set(np.unique(labels.read(key).joint)) for key in labels.keys]
    assert classes and set.union(*classes) == {NAMES.index("sky"), NO_CLASS}


def test_a_quality_check_of_ones_own_rejects_in_files_and_in_a_catalog(tmp_path):
    save_example(tmp_path, "too_dark")
    media = tmp_path / "FOOTAGE"
    media.mkdir()
    for name, kind in (("black", "black"), ("bright", "movers")):
        video = make_video(kind, keyed_generator(1, kind), 4.0)
        write_video_example(media / f"{name}.mkv", video, frame_rate=5)
    files = {"black------": ("black.mkv", None), "bright-----": ("bright.mkv", None)}
    path = write_catalog(tmp_path / "my.catalog", media, files)
    program, *by_files = command_of("yt360 --plugin too_dark inspect FOOTAGE")
    _, *by_catalog = command_of("yt360 --plugin too_dark inspect my.catalog")
    calls = [[*by_files, "--json"], by_catalog[: by_catalog.index("#")]]
    output = python(tmp_path, *(call(program, *arguments) for arguments in calls))

    dark, bright = json.JSONDecoder().raw_decode(output)[0]
    names = [
        (each["verdicts"][-1]["name"], each["verdicts"][-1]["reason"]) for each in (dark, bright)
    ]
    assert names == [("too-dark", "dark"), ("too-dark", "bright")]
    assert "too-dark (dark)" in dark["decision"] and "too-dark" not in bright["decision"]
    reasons = {"black------": "dark", "bright-----": "no-clips"}
    assert states(path) == {name: ("rejected", reason) for name, reason in reasons.items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which an encoder and a task of one's own trained, and what was printed."""
    folder = tmp_path_factory.mktemp("trained")
    dataset = shutil.copytree(REPOSITORY / "shards", folder / "shards")
    few = ["--recipe", "small", "--set", "audio.n_mels=16", "--samples", "9"]
    assert CliRunner().invoke(stats_command, [str(dataset), *few]).exit_code == 0
    save_example(folder, "framewise")
    save_example(folder, "matching")
    printed = python(
        folder,
        call(*command_of("avsa train --plugin framewise"), *SMALL_RUN.split()),
        call(*command_of("avsa embed shards --plugin framewise")),
        call("avsa", "train", "--resume", "--out", "runs/framewise", "--steps", "3"),
        re.search(r"```python\n(import avsa\n.*?)```", PAGE, re.S)[1],
        "print(type(model.encoders.video).__name__, model.feature_dim, model.step)",
        call(*command_of("avsa train --plugin matching"), *SMALL_RUN.split()),
    )
    return folder, printed


def test_an_encoder_of_ones_own_trains_two_steps_and_loads_again(trained):
    folder, printed = trained
    assert "Framewise 128 3" in printed.splitlines()
    assert (folder / "features.parquet").exists()


def test_without_its_plugin_a_run_is_neither_loaded_nor_resumed(trained):
    run = trained[0] / "runs" / "framewise"
    with user_error("dependency", "framewise"):
        avsa.load(run)
    with user_error("dependency", "framewise"):
        CliRunner().invoke(train_command, ["--out", str(run), "--resume"], catch_exceptions=False)
    assert "framewise" not in sys.modules


def test_a_task_of_ones_own_trains_and_is_validated(trained):
    last = read_log(trained[0] / "runs" / "matching")[-1]
    assert last["step"] == 2
    assert 0 <= last["val/accuracy"] <= 1 and np.isfinite(last["loss"])


def test_an_evaluation_of_ones_own_is_recorded(own_run):
    folder = own_run.run.parent
    save_example(folder, "elevation")
    (folder / "runs").mkdir()
    own_run.run.rename(folder / "runs" / "avsa")
    (folder / "DATASET").symlink_to(own_run.dataset)
    printed = python(folder, call(*command_of("avsa --plugin elevation eval")))
    ((path, record),) = records_of(folder / "runs" / "avsa")
    assert str(path.relative_to(folder)) in printed
    error = record.result.metrics["error"]
    assert error.low < error.value < error.high < 90 and len(record.result.tables["epochs"]) == 5
