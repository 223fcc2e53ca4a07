"""A video's folder is held by one at a time, whoever comes and goes meanwhile."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from helpers.errors import bad_item

from yt360 import locks
from yt360.crawl.download.video_folder import check_no_links, folder_lock
from yt360.locks import Locked


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "my-media" / "ab" / "abcdefghijk"


@pytest.fixture
def between(monkeypatch):
    """Return a function that lets something happen once, before or after a lock file is opened."""

    def install(*, before=lambda: None, after=lambda: None):
        events = [(before, after)]

        def open_lock(*arguments):
            first, then = events.pop() if events else (lambda: None,) * 2
            first()
            descriptor = os.open(*arguments)
            then()
            return descriptor

        monkeypatch.setattr(locks, "os", SimpleNamespace(**{**vars(os), "open": open_lock}))

    return install


def test_a_folder_is_held_by_one_at_a_time_and_nothing_is_left(folder):
    with folder_lock(folder), pytest.raises(Locked), folder_lock(folder):
        pass
    assert not folder.exists()


def test_files_stay_when_the_lock_goes(folder):
    with folder_lock(folder):
        (folder / "film.mp4").touch()
    assert [path.name for path in folder.iterdir()] == ["film.mp4"]


def test_whoever_opened_the_lock_of_one_that_then_left_still_keeps_others_out(folder, between):
    first = folder_lock(folder)
    first.__enter__()
    (folder / "film.mp4").touch()
    between(after=lambda: first.__exit__(None, None, None))
    with folder_lock(folder), pytest.raises(Locked), folder_lock(folder):
        pass


def test_a_folder_that_goes_away_before_it_is_locked_is_made_again(folder, between):
    between(before=folder.rmdir)
    with folder_lock(folder):
        assert folder.is_dir()


def test_a_folder_is_not_taken_away_under_the_next_one(folder, monkeypatch):
    first, second = folder_lock(folder), folder_lock(folder)
    first.__enter__()
    unlink = type(folder).unlink

    def unlink_and_let_the_next_one_in(path, **options):
        unlink(path, **options)
        monkeypatch.undo()
        second.__enter__()

    monkeypatch.setattr(type(folder), "unlink", unlink_and_let_the_next_one_in)
    first.__exit__(None, None, None)
    with pytest.raises(Locked), folder_lock(folder):
        pass
    second.__exit__(None, None, None)
    assert not folder.exists()


def test_a_folder_with_a_link_in_it_is_not_written_to(tmp_path):
    folder, victim = tmp_path / "video", tmp_path / "victim"
    check_no_links(folder)
    folder.mkdir()
    (folder / "whole.mp4").write_bytes(b"x")
    check_no_links(folder)
    (folder / "aaaaaaaaaaa.video.137.mp4.part").symlink_to(victim)
    with bad_item("link"):
        check_no_links(folder)
