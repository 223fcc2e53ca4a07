"""A model and heads that were trained on scenes, tested on real recordings.

Nothing is claimed about the accuracy: the model was trained for two steps. What is tested holds for
every model.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
import torch
from claims.real import as_row, build_recordings, evaluate_all, markdown, without, write_directions
from helpers.scene_runs import DURATION_S, SceneRun

from avsa.data.clips import clips_form, open_clips
from avsa.evals.result import Metric, Record
from avsa.training.distributed import World
from avsa.training.run_folder import fingerprint

pytestmark = [pytest.mark.real, pytest.mark.slow]
DRAWS, UNUSABLE = 4, "V5IVN81wYrI"


@pytest.fixture(scope="module")
def tested(real_data, scene_run: SceneRun, tmp_path_factory):
    """The records of a run on scenes, and the fingerprints of both datasets."""
    folder = real_data / "real-bench"
    if not folder.is_dir():
        pytest.skip("no labelled recordings here")
    work = tmp_path_factory.mktemp("zero-shot")
    with closing(open_clips(scene_run.dataset, "train")) as clips:
        form, train = clips_form(clips.info), fingerprint(clips)
    labels = build_recordings(folder, work / "recordings", form, seconds=DURATION_S)
    with closing(open_clips(work / "recordings", "test")) as clips:
        assert list(clips.keys) == sorted(labels) and len(labels) == 17
        videos, test = set(clips.video_ids), fingerprint(clips)
    assert videos == {label["recording_group"] for label in labels.values()} and len(videos) == 12
    assert write_directions(labels, work / "directions.csv") == 8
    records = evaluate_all(
        scene_run.run, scene_run.dataset, work / "recordings", work / "directions.csv", work,
        World(0, 1, torch.device("cpu")), draws=DRAWS, settings={"schedule.epochs": "1"},
    )  # fmt: skip
    return records, {"train": train, "test": test}


@pytest.fixture
def binary(tested) -> list[Record]:
    return [record for record in tested[0] if record.kind == "avsa-bin"]


def test_both_fingerprints_are_in_the_record(tested, binary):
    for record in binary:
        assert {name: record.data[name] for name in ("train", "test")} == tested[1]
        assert record.data["path"] != record.data["test path"]


def test_every_recording_is_counted_in_every_draw(binary):
    for record in binary:
        counts = [row[name] for row in record.result.tables["confusion"]
                  for name in ("turned", "aligned")]  # fmt: skip
        assert sum(counts) == 2 * DRAWS * 17
        assert not any("left out" in note for note in record.result.notes)


def test_intervals_contain_their_value(tested):
    for record in tested[0]:
        for metric in record.result.metrics.values():
            assert metric.low <= metric.value <= metric.high


def test_controls_are_at_chance(binary):
    assert [record.settings["views"] for record in binary] == [1, 4]
    for record in binary:
        metrics = record.result.metrics
        # Each video is in a pair of either kind.
        assert (metrics["video_alone"].low, metrics["video_alone"].high) == (0.5, 0.5)
        # Audio of another recording says nothing; a tenth beyond the interval for rounding.
        assert metrics["swapped"].low - 0.1 <= 0.5 <= metrics["swapped"].high + 0.1


def test_localization_has_the_labelled_sources_that_do_not_move(tested):
    (record,) = (each for each in tested[0] if each.kind == "localization")
    assert len(record.result.tables["clips"]) == 8
    metrics = record.result.metrics
    assert metrics["hits_energy"].value > metrics["hits"].chance
    for name in ("silent", "swapped", "turned", "centre", "energy"):
        assert 0 <= metrics[f"hits_{name}"].value <= 1


def test_the_table_has_a_line_for_each_evaluation_and_no_addresses(tested, scene_run):
    rows = [as_row(Path("runs/example"), record, {UNUSABLE}) for record in tested[0]]
    text = json.dumps([{k: v for k, v in row.items() if k != "run"} for row in rows])
    assert str(scene_run.dataset.parent) not in text and "recordings/" not in text
    lines = markdown(rows)
    assert sum(line.startswith("| example |") for line in lines) == len(rows) == 3
    for row in rows:
        main = "hits" if row["evaluation"] == "localization" else "accuracy"
        value, interval, _ = Metric(**row["metrics"][main]).texts()
        assert any(value in line and interval in line for line in lines)


def test_the_accuracy_without_a_recording_is_that_of_the_others(binary):
    for record in binary:
        values = {row["video"]: (row["accuracy"], row["items"])
                  for row in record.result.tables["videos"]}  # fmt: skip
        assert without(record, ()).value == pytest.approx(record.result.metrics["accuracy"].value)
        value, items = values.pop(UNUSABLE)
        assert items == 2 * DRAWS
        hits = 17 * 2 * DRAWS * record.result.metrics["accuracy"].value - value * items
        assert without(record, {UNUSABLE}).value == pytest.approx(hits / (16 * 2 * DRAWS))
