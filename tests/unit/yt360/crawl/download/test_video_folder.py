"""What is removed with a video that was dropped: all of its files, and no other."""

from __future__ import annotations

import pytest
from helpers.errors import user_error

from yt360.catalog import Catalog, MediaFile
from yt360.cli import cli
from yt360.commands.run import run
from yt360.crawl.download.video_folder import delete_media, folder_lock, video_folder
from yt360.errors import BadItem, UserError
from yt360.locks import Locked

A, B = "AAAAAAAAAAA", "AAbbbbbbbbb"


@pytest.fixture
def catalog(catalog_path):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(A)
        catalog.videos.add(B)
        yield catalog


@pytest.fixture
def put(catalog):
    """Return a function that puts files into a video's folder and returns the folder."""

    def make(video_id, *names):
        folder = catalog.media / video_folder(video_id)
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        return folder

    return make


def record(catalog, *paths):
    for number, path in enumerate(paths):
        catalog.files.put(A, MediaFile(role="both", path=str(path), bytes=1, start_s=number))


def test_everything_goes_recorded_or_not_and_the_neighbours_stay(catalog, put):
    folder = put(A, "v.mp4", "s.webm", "v.137.mp4.part", ".s.mkv.tmp", "sub/folder/x", "sub/y")
    neighbour = put(B, "v.mp4")
    record(catalog, video_folder(A) / "v.mp4", "old/gone.mp4", video_folder(A) / "gone.mp4")
    assert delete_media(catalog, A) == 6
    assert not folder.exists() and catalog.files.of(A) == []
    assert [path.name for path in neighbour.iterdir()] == ["v.mp4"]
    assert delete_media(catalog, A) == 0, "again does no harm"


def test_a_video_without_files_gets_no_folder(catalog):
    assert delete_media(catalog, A) == 0
    assert not catalog.media.exists()


def test_links_are_removed_and_what_they_lead_to_stays(catalog, put, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x")
    folder = put(A, "v.mp4", "sub/x")
    (folder / "file").symlink_to(outside / "precious")
    (folder / "folder").symlink_to(outside)
    (folder / "sub" / "folder").symlink_to(outside)
    delete_media(catalog, A)
    assert not folder.exists() and (outside / "precious").exists()


@pytest.mark.parametrize("depth", [0, 1])
def test_a_folder_behind_a_link_is_refused(catalog, put, tmp_path, depth):
    real = put(A, "v.mp4")
    link = [real, real.parent][depth]
    link.rename(tmp_path / "moved")
    link.symlink_to(tmp_path / "moved")
    with user_error("forbidden", real):
        delete_media(catalog, A)
    assert list((tmp_path / "moved").rglob("v.mp4"))


def test_a_media_folder_that_is_itself_a_link_is_one(catalog, put, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    catalog.media.symlink_to(disk)
    catalog.set_media(catalog.media)
    put(A, "v.mp4")
    assert delete_media(catalog, A) == 1 and not list(disk.rglob("v.mp4"))


@pytest.mark.parametrize(
    "path", ["../precious", "out/precious", "/precious", "a/../../precious", ".", "a\\b", ""]
)
def test_a_recorded_file_outside_of_the_videos_folder_is_refused(catalog, put, tmp_path, path):
    folder = put(A, "v.mp4")
    (catalog.media / "out").symlink_to(tmp_path)
    (tmp_path / "precious").write_bytes(b"x")
    record(catalog, f"{tmp_path}{path}" if path.startswith("/") else path)
    with pytest.raises((UserError, BadItem)):
        delete_media(catalog, A)
    assert (tmp_path / "precious").exists() and (folder / "v.mp4").exists()


def test_a_file_of_another_video_is_refused(catalog, put):
    put(A, "v.mp4")
    neighbour = put(B, "v.mp4")
    record(catalog, video_folder(B) / "v.mp4")
    with user_error("forbidden", neighbour / "v.mp4"):
        delete_media(catalog, A)
    assert (neighbour / "v.mp4").exists()


@pytest.mark.parametrize("where", ["beside", "outside", "link"])
def test_the_media_folder_of_another_catalog_is_refused_until_the_user_says_so(tmp_path, where):
    """A catalog names any folder as its own; only the user marks one."""
    home = tmp_path / "home"
    home.mkdir()
    victim = (tmp_path if where == "outside" else home) / "victim-media"
    file = victim / video_folder(A) / f"{A}.both.18.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    with Catalog(home / "planted.catalog", create=True) as catalog:
        catalog.videos.add(A)
        catalog.set_setting("id", "0" * 32)
        if where == "link":
            catalog.media.symlink_to(victim)
        else:
            catalog.set_setting("media", str(victim) if where == "outside" else victim.name)
    with Catalog(home / "planted.catalog") as catalog:
        for change in (catalog.make_media, lambda: delete_media(catalog, A)):
            with user_error("forbidden"):
                change()
        assert file.exists()
        catalog.set_media(victim)
        assert delete_media(catalog, A) == 1


def test_nothing_is_removed_while_a_process_works_in_the_folder(catalog, put):
    folder = put(A, "v.mp4")
    with folder_lock(folder), pytest.raises(Locked):
        delete_media(catalog, A)
    assert (folder / "v.mp4").exists()


def test_the_command_says_how_many_files_it_removed(catalog, put, capsys):
    folder = put(A, f"{A}.video.134.mp4.part", f"{A}.sound.338.webm")
    for option, count in (("--reason", 0), ("--delete-media", 2)):
        words = ["withdrawn"] if option == "--reason" else []
        with pytest.raises(SystemExit) as end:
            run(cli, ["catalog", "drop", str(catalog.path), A, option, *words])
        assert not end.value.code
        output = capsys.readouterr().out
        assert output == f"{A}: rejected (withdrawn), {count} files deleted\n"
        assert folder.exists() == (count == 0)
