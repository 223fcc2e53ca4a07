"""What cannot be read is in the record, also after a kill and on other ranks."""

from __future__ import annotations

import shutil
from contextlib import closing

import pytest
import torch
from helpers.scene_runs import invoke

from avsa.cli import cli
from avsa.data.clips import open_clips
from avsa.evals.result import records_of
from avsa.evals.unreadable import Unreadable
from avsa.training.distributed import World

FEW = [word for key in ("schedule.epochs=2", "batch_size=2", "views=1") for word in ("--set", key)]


def test_what_the_ranks_of_a_killed_evaluation_found_is_kept(tmp_path):
    first, second = (World(rank, 2, torch.device("cpu")) for rank in range(2))
    for world, name in ((first, "b"), (second, "a")):
        Unreadable(tmp_path, "train", world).add(name, "corrupt-video")
    Unreadable(tmp_path, "test", first).add("c", "crash")
    resumed = Unreadable(tmp_path, "train", World(0, 1, first.device))
    resumed.add_all({"d": "bad-flac"})
    assert list(resumed.of_all_ranks().items()) == [
        ("a", "corrupt-video"),
        ("b", "corrupt-video"),
        ("d", "bad-flac"),
    ]


@pytest.mark.parametrize("kind", ["avc-bin", "segmentation"])
def test_a_training_clip_that_cannot_be_read_is_in_the_record(kind, own_run, tmp_path):
    dataset = shutil.copytree(own_run.dataset, tmp_path / "dataset")
    with closing(open_clips(dataset, "train")) as clips:
        row, count = clips.rows[0], len(clips)
    with (dataset / "train" / row.shard).open("r+b") as file:
        file.seek(row.flac_offset)
        file.write(bytes(row.flac_bytes))
    invoke(cli, "eval", kind, own_run.run, "--data", dataset, *FEW)
    ((_, record),) = records_of(own_run.run)
    (note,) = (each for each in record.result.notes if row.key in each)
    assert note.startswith(f"1 of {count} clips of the split train ")
    assert f"{row.key} (bad-flac)" in note
