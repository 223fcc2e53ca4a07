"""Splits that are given with the inputs, as `build-shards --test` does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.in_process import InlinePool

from yt360.commands.dataset.build_shards import command
from yt360.shards.builder.build import BuildReport, build_shards
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.splits.given import give_splits


def build(fake, out: Path, train: Path, test: Path, duplicates: tuple = ()) -> BuildReport:
    found = give_splits(find_inputs([train]), find_inputs([test]))
    found = replace(found, duplicates=duplicates)
    options = replace(fake.options, test_fraction=None)
    return build_shards(found, out, options, make_pool=InlinePool)


@pytest.fixture
def folders(fake, tmp_path: Path) -> tuple[Path, Path]:
    """Folders of six videos for training and three for testing."""
    train, test = tmp_path / "train", tmp_path / "test"
    for number in range(6):
        fake.write(train / f"a{number}.mp4", 10)
    for number in range(3):
        fake.write(test / f"b{number}.mp4", 20)
    return train, test


def test_each_folder_is_a_split_and_later_files_join_it(fake, folders, tmp_path):
    train, test = folders
    data = tmp_path / "data"
    assert build(fake, data, train, test).notes == ()
    keys = fake.keys(data)
    assert {key[0] for key in keys["train"]} == {"a"} and len(keys["train"]) == 6
    assert {key[0] for key in keys["test"]} == {"b"} and len(keys["test"]) == 6
    before = fake.tree(data)
    assert build(fake, data, train, test).new_clips == 0
    assert fake.tree(data) == before
    fake.write(train / "late.mp4", 10)
    assert build(fake, data, train, test).new_clips == 1
    assert "late-00000" in fake.keys(data)["train"]


def test_a_dataset_with_given_splits_is_not_extended_by_hash_and_the_reverse(
    fake, folders, tmp_path
):
    train, test = folders
    build(fake, tmp_path / "given", train, test)
    with user_error("conflict", "--out"):
        fake.build(train, tmp_path / "given")
    fake.build(train, tmp_path / "hashed")
    with user_error("conflict", "--out"):
        build(fake, tmp_path / "hashed", train, test)


def test_a_video_does_not_change_its_split(fake, folders, tmp_path):
    train, test = folders
    build(fake, tmp_path / "data", train, test)
    with user_error("conflict", "--test"):  # nothing else is to be done
        build(fake, tmp_path / "data", test, train)
    fake.write(train / "late.mp4", 10)
    with user_error("conflict", "--test"):
        build(fake, tmp_path / "data", test, train)


def test_a_file_or_a_video_in_both_splits_is_refused(fake, folders):
    train, test = folders
    with user_error("conflict", "--test"):
        give_splits(find_inputs([train.parent]), find_inputs([test]))
    (test / "link.mp4").symlink_to(train / "a0.mp4")
    with user_error("conflict", "--test"):
        give_splits(find_inputs([train]), find_inputs([test]))
    (test / "link.mp4").unlink()
    fake.write(test / "a0.mp4", 10)  # another file of the same name
    with user_error("conflict", "--test"):
        give_splits(find_inputs([train]), find_inputs([test]))


def test_the_list_of_a_catalog_is_not_overruled(folders):
    train, test = (find_inputs([folder]) for folder in folders)
    listed = [replace(item, split="test") for item in train.videos]
    with user_error("conflict", "--test"):
        give_splits(replace(train, videos=tuple(listed)), test)


def test_every_input_needs_a_split_if_none_is_chosen_by_hash(fake, folders, tmp_path):
    with user_error("invalid", "split"):
        fake.build(folders[0], tmp_path / "data", replace(fake.options, test_fraction=None))


def test_duplicates_and_channels_in_both_splits_are_named(fake, folders, tmp_path):
    for folder, name in zip(folders, ("a1", "b1"), strict=True):
        (folder / f"{name}.info.json").write_text(json.dumps({"channel_id": "UCshared"}))
    notes = build(fake, tmp_path / "data", *folders, duplicates=(("a0", "b0"),)).notes
    assert any("a0" in note and "b0" in note for note in notes)
    assert any("UCshared" in note for note in notes)


@pytest.mark.parametrize("option", [("--test-fraction", "0.5"), ("--group-by", "video")])
def test_the_command_refuses_what_chooses_splits_otherwise(folders, tmp_path, option):
    train, test = map(str, folders)
    with user_error("conflict", option[0]):
        arguments = [train, "--test", test, "--out", str(tmp_path / "data"), *option]
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert not (tmp_path / "data").exists()
