"""Laws of what may be imported: commands and worker processes start without slow packages.

One interpreter imports all modules, those with the fewest permitted packages first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Packages that take more than 50 ms to import.
SLOW = {
    "av", "librosa", "matplotlib", "numba", "numpy", "pandas", "pyarrow", "pydantic", "scipy",
    "sklearn", "soundfile", "starlette", "tensorboard", "torch", "torchaudio", "torchvision",
    "transformers", "uvicorn", "webdataset", "yt_dlp",
}  # fmt: skip


def modules_under(*folders: str) -> list[str]:
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return sorted(name.removesuffix(".__init__") for name in names)


STEPS = {
    "packages, commands and help": (
        ["yt360", "avsa", *modules_under("yt360/commands", "avsa/commands", "yt360/terminal")],
        set(),
    ),
    "worker processes": (
        [name for name in modules_under("yt360/execution") if ".engines" not in name],
        set(),
    ),
    "decoder processes": (["avsa.data.decoder_process", "avsa.data.clip_reader"], {"av", "numpy"}),
    "engines": (modules_under("yt360/execution"), {"av", "numpy", "pydantic"}),
    "builds": (
        modules_under("yt360/shards", "yt360/clip_codec", "yt360/media"),
        {"av", "numpy", "pyarrow", "pydantic"},
    ),
    "the catalog, searches and downloads": (
        modules_under("yt360/catalog", "yt360/crawl", "yt360/config"),
        {"av", "numpy", "pyarrow", "pydantic", "yt_dlp"},
    ),
    "inspections": (
        [
            *modules_under("yt360/quality/checks", "yt360/quality/signal"),
            "yt360.quality.inspect",
            "yt360.stats.dataset_counts",
            "yt360.stats.catalog_counts",
        ],
        {"av", "numpy", "pyarrow", "pydantic", "scipy", "yt_dlp"},
    ),
}

PROGRAM = """
import importlib, json, sys
import click
import avsa.cli, yt360.cli

def show_help(command, context):
    command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            show_help(child, click.Context(child, info_name=name, parent=context))

for each in (yt360.cli.cli, avsa.cli.cli):
    show_help(each, click.Context(each))
slow, steps = json.loads(sys.stdin.read())
loaded = {}
for step, names in steps.items():
    for name in names:
        importlib.import_module(name)
    loaded[step] = sorted(set(slow) & set(sys.modules))
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    steps = {step: names for step, (names, _) in STEPS.items()}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([sorted(SLOW), steps]), capture_output=True, text=True,
    )  # fmt: skip
    assert not result.returncode, result.stderr
    return {step: set(names) for step, names in json.loads(result.stdout).items()}


@pytest.mark.parametrize("step", STEPS)
def test_no_slow_package_is_imported_where_none_is_needed(step, loaded):
    assert loaded[step] <= STEPS[step][1]


TRAINING = """
import sys
from pathlib import Path
import numpy as np
import torch
from avsa.training import loop
from avsa.training.optimizer import Adam
from avsa.training.repeatability import deterministic_kernels
from avsa.views.spectrogram import AudioConfig, log_mels
from yt360.shards.format.reader import ShardReader
from yt360.sphere import sample_equirect, view_grid

weight = torch.nn.Parameter(torch.zeros(1))
optimizer = Adam([weight])
with deterministic_kernels(False):
    (weight + log_mels(torch.zeros(1, 4, 2400), AudioConfig()).mean()).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
sample_equirect(torch.zeros(3, 4, 8), view_grid(0.0, 0.0, 1.0, 2, 2))
np.asarray(ShardReader(Path("shards"), "train").keys)
print(*sys.modules)
"""


def test_training_imports_no_decoder_no_compiler_of_torch_and_no_librosa():
    result = subprocess.run(
        [sys.executable, "-c", TRAINING], capture_output=True, text=True, cwd=ROOT
    )
    assert not result.returncode, result.stderr
    slow = {*SLOW, "sympy", "torch._dynamo", "torch._inductor"} & {*result.stdout.split()}
    assert slow <= {"numpy", "pyarrow", "pydantic", "torch"}
