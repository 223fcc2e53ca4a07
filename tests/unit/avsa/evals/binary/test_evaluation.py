"""Whole binary evaluations, and what they refuse."""

from __future__ import annotations

from contextlib import closing

import pytest
from helpers.errors import user_error
from helpers.scene_runs import invoke

from avsa.cli import cli
from avsa.data.clips import open_clips
from avsa.evals.binary import base
from avsa.evals.binary.avc_bin import AvcBinConfig
from avsa.evals.config_options import configure
from avsa.evals.result import records_of
from avsa.evals.subject import Evaluated, open_subject
from avsa.tasks.avc import AvcConfig

SMALL = ("--set", "schedule.epochs=2", "--set", "test_draws=2", "--set", "draws_per_video=2")


def record_of(run):
    ((_, record),) = records_of(run)
    return record


def test_a_killed_evaluation_goes_on_with_the_same_numbers(own_run, tmp_path, monkeypatch):
    words = ("eval", "avsa-bin", own_run.run, "--data", own_run.dataset, *SMALL)
    invoke(cli, *words, "--out", tmp_path / "whole")
    whole = record_of(tmp_path / "whole").result
    assert [row["epoch"] for row in whole.tables["epochs"]] == [1, 2]
    assert set(whole.metrics) == {"accuracy", "audio_alone", "video_alone", "swapped"}
    assert all(each.low <= each.value <= each.high for each in whole.metrics.values())
    assert len(whole.notes) == 2  # both splits are smaller than a batch

    monkeypatch.setattr("avsa.evals.fit.SAVE_EVERY_STEPS", 1)
    step_of = base.BinaryConfig._features

    def killed(self, model, batch):
        if batch.raw.step == 2:
            raise OSError
        return step_of(self, model, batch)

    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(base.BinaryConfig, "_features", killed)
        invoke(cli, *words, "--out", tmp_path / "killed")
    invoke(cli, *words, "--out", tmp_path / "killed")
    assert record_of(tmp_path / "killed").result == whole


def test_translated_features_and_the_published_protocol(own_run):
    words = ("--translated", "--protocol", "published", *SMALL)
    invoke(cli, "eval", "avc-bin", own_run.run, "--data", own_run.dataset, *words)
    record = record_of(own_run.run)
    assert record.settings["translated"] and record.settings["protocol"] == "published"
    counts = [row[name] for row in record.result.tables["confusion"] for name in ("other", "same")]
    with closing(open_clips(own_run.dataset, "test")) as clips:
        assert sum(counts) == 2 * 2 * len(clips)  # pairs of each of two draws


def test_a_split_of_one_video_is_refused():
    with user_error("empty", "test"):
        AvcBinConfig()._count_videos(["a", "a"], "test")


def test_a_model_without_translation_networks_is_refused(own_run):
    subject = open_subject(str(own_run.run), "cpu")
    subject.require_model().task = AvcConfig().build(16)
    with user_error("unsupported", "translation"):
        subject.require_translation()
    with user_error("unsupported", "RUN"):
        Evaluated("scratch", None).require_translation()


@pytest.mark.parametrize(
    ("options", "settings", "code", "key"),
    [
        ({"views": 0}, {}, "out-of-range", "views"),
        ({"protocol": "other"}, {}, "unknown-name", "protocol"),
        ({"views": 4}, {"views": "1"}, "conflict", "views"),
    ],
)
def test_wrong_options_are_refused(options, settings, code, key):
    with user_error(code, key):
        configure("avc-bin", options, settings)
