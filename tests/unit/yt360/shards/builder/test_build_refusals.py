"""Requests and folders that a build refuses."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace

import pytest
from helpers.errors import user_error

from yt360.errors import UserError
from yt360.locks import exclusive_lock
from yt360.shards.builder.staging import StagingFolder


def test_other_options_are_refused_and_nothing_is_touched(fake, media, dataset):
    data = dataset
    before = fake.tree(data)
    with user_error("conflict", key="--out"):
        fake.build(media, data, replace(fake.options, clip_s=5))
    with user_error("conflict", key="--out"):
        fake.build(media, data, replace(fake.options, form=replace(fake.options.form, crf=30)))
    assert fake.tree(data) == before


def test_a_folder_with_other_files_is_refused_and_left_alone(fake, media, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with user_error("exists", key="--out"):
        fake.build(media, tmp_path / "home")
    assert fake.tree(tmp_path / "home") == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": "other"}', "does not describe a dataset"),
        ('{"format": "yt360-shards", "format_version": 2}', "format version 2"),
        ('{"format": "yt360-shards", "format_version": 1}', "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
    ],
)
def test_a_foreign_dataset_file_is_refused(fake, media, tmp_path, content, message):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=message):
        fake.build(media, tmp_path / "data")


def test_an_output_that_is_a_file_is_refused(fake, media, tmp_path):
    (tmp_path / "data").write_text("")
    with user_error("exists", key="--out"):
        fake.build(media, tmp_path / "data")


@pytest.mark.parametrize(
    "change",
    [
        {"clip_s": 0},
        {"test_fraction": 1.5},
        {"min_level_dbfs": 3.0},
        {"min_level_dbfs": float("nan")},
        {"shard_mb": 0.0},
        {"shard_mb": float("nan")},
        {"shard_mb": float("inf")},
        {"shard_mb": 1e308},
        {"split_by": "colour"},
    ],
)
def test_options_out_of_range_are_refused(fake, change):
    with pytest.raises(UserError):
        replace(fake.options, **change)


def test_a_second_build_at_the_same_time_is_refused_and_harmless(fake, media, tmp_path):
    data = tmp_path / "data"
    staging = StagingFolder(data)
    with exclusive_lock(staging.lock):
        with pytest.raises(UserError, match="data is in use by process"):
            fake.build(media, data)
        assert [path.name for path in data.rglob("*") if path.is_file()] == ["lock"]
    assert fake.build(media, data).info.complete


def test_a_build_that_cleans_up_leaves_the_next_ones_staging_alone(fake, tmp_path, monkeypatch):
    first, second = StagingFolder(tmp_path), StagingFolder(tmp_path)
    rmtree, entered = shutil.rmtree, []

    def slow_rmtree(folder, **options):
        if not entered:  # while the first cleans up, the second begins
            entered.append(stack.enter_context(exclusive_lock(second.lock)))
            second.prepare({})
            (second.scratch() / "clip.mp4").write_text("made")
        rmtree(folder, **options)

    with ExitStack() as stack:
        with exclusive_lock(first.lock):
            first.prepare({})
            monkeypatch.setattr(shutil, "rmtree", slow_rmtree)
            first.remove()
        assert entered
        assert [path.name for path in tmp_path.iterdir()] == [".staging"]
        assert len(list(tmp_path.glob(".staging/work/*/clip.mp4"))) == 1
        with pytest.raises(UserError, match="is in use by"), exclusive_lock(first.lock):
            pass


def test_less_than_one_worker_is_refused(fake, media, tmp_path):
    with user_error("out-of-range", key="--workers"):
        fake.build(media, tmp_path / "data", workers=0)
    assert not (tmp_path / "data").exists()
