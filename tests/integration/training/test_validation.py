"""Held-out clips, validated while training."""

import shutil
from dataclasses import replace
from itertools import count

import pytest

from avsa.config.train_config import ValidationConfig
from avsa.training.loop import train
from avsa.training.metrics_log import RunLog, read_log
from avsa.training.validation import Validation
from yt360.shards.format.reader import ShardReader


def damaged(data, folder, videos, split="train"):
    """Return a copy of the dataset whose clips of some videos cannot be decoded."""
    shutil.copytree(data, folder)
    clips = ShardReader(folder, split)
    for row in clips.rows:
        if row.video_id in videos:
            with (folder / split / row.shard).open("r+b") as shard:
                shard.seek(row.mp4_offset)
                shard.write(bytes(row.mp4_bytes))
    return folder


def test_validation_happens_periodically_and_at_the_end(tiny_config, alone, data, tmp_path):
    plain, validated = tmp_path / "plain", tmp_path / "validated"
    config = tiny_config("avsa-no-curriculum", steps=5)
    train(config, data, plain, alone)
    validating = replace(config, validation=ValidationConfig(every_steps=2, split="train"))
    train(validating, data, validated, alone, steps=3)
    train(validating, data, validated, alone, resume=True)
    at = [r["step"] for r in read_log(validated) if "val/view_accuracy" in r]
    assert at == [2, 3, 4, 5]
    # Training itself goes on as if nobody had looked.
    losses = [[record["loss"] for record in read_log(run)] for run in (plain, validated)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("dies_in", [(Validation, "evaluate"), (RunLog, "step")])
def test_a_run_that_dies_before_a_checkpoint_has_a_line_for_every_step_in_the_end(
    tiny_config, alone, data, tmp_path, monkeypatch, dies_in
):
    config = tiny_config("avsa-no-curriculum", steps=6)
    validating = replace(config, validation=ValidationConfig(every_steps=3, split="train"))

    class Died(BaseException):
        pass

    owner, name = dies_in
    whole, step_of_line = getattr(owner, name), count(1)

    def die(*arguments):
        if owner is RunLog and next(step_of_line) < 3:
            return whole(*arguments)
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(owner, name, die)
        train(validating, data, tmp_path / "run", alone)
    train(validating, data, tmp_path / "run", alone, resume=True)
    validated = [record["step"] for record in read_log(tmp_path / "run") if "val/loss" in record]
    assert [record["step"] for record in read_log(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]
    assert validated == [3, 6]


def test_a_validation_clip_that_cannot_be_read_does_not_end_training(
    tiny_config, alone, data, tmp_path
):
    config = tiny_config("avsa-no-curriculum", steps=2)
    validating = replace(config, validation=ValidationConfig(every_steps=1, split="test"))
    videos = ShardReader(data, "test").video_ids
    train(validating, damaged(data, tmp_path / "data", videos[:1], "test"), tmp_path / "run", alone)
    assert all("val/loss" in record for record in read_log(tmp_path / "run"))


def test_validation_with_too_few_videos_is_skipped_with_a_note(
    tiny_config, alone, data, many_shards, tmp_path, capsys
):
    dataset = shutil.copytree(many_shards, tmp_path / "data")  # it has no test clips
    shutil.copy(data / "audio_stats.json", dataset)
    config = tiny_config("avsa-no-curriculum", steps=1)
    train(
        replace(config, validation=ValidationConfig(every_steps=1)),
        dataset,
        tmp_path / "run",
        alone,
    )
    assert "test has too few videos to validate" in capsys.readouterr().err
    assert not any(key.startswith("val/") for key in read_log(tmp_path / "run")[0])
