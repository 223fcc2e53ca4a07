"""What was downloaded once and is queued again is fetched anew, and leaves no old files behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yt360.catalog import Catalog, Clip

VIDEO = "-abcdefghi_"


@pytest.fixture
def settle(catalog_path):
    """Return a function that settles a downloaded video as an inspection does."""

    def end(state, *clips):
        with Catalog(catalog_path) as catalog:
            claim = catalog.claims.take("inspect", "somebody")
            catalog.clips.put(VIDEO, *clips)
            catalog.claims.finish(claim, state, "some-reason", "some detail")

    return end


@pytest.fixture
def queue_again(catalog_path):
    def queue():
        with Catalog(catalog_path) as catalog:
            assert catalog.videos.requeue([VIDEO]) == 1

    return queue


@pytest.fixture
def files(catalog_path):
    """Return a function that gives the files in the video's folder by name."""
    folder = catalog_path.parent / "my-media" / VIDEO[:2] / VIDEO
    return lambda: {path.name: path for path in folder.iterdir()}


def rot(picture):
    """Spoil the pictures in a file that still looks whole: its size and its packets are right."""
    content = picture.read_bytes()
    third = len(content) // 3
    picture.write_bytes(content[:third] + bytes(third) + content[2 * third :])


@pytest.mark.parametrize("state", ["failed", "rejected", "unavailable"])
def test_files_that_are_here_are_fetched_anew(
    ready_video, download, settle, queue_again, files, content, picture_bytes, sound_bytes, state
):
    ready_video(VIDEO)
    download(VIDEO)
    rot(files()[f"{VIDEO}.video.134.mp4"])
    settle(state)
    queue_again()
    download()
    assert content() == [picture_bytes, sound_bytes]
    assert len(files()) == 2


def test_a_description_in_between_does_not_make_old_files_good(
    ready_video, download, settle, queue_again, files, content, picture_bytes
):
    ready_video(VIDEO)
    download(VIDEO)
    rot(files()[f"{VIDEO}.video.134.mp4"])
    settle("failed")
    queue_again()
    download(describe_only=True)
    download()
    assert content()[0] == picture_bytes


def test_what_a_new_try_has_fetched_is_kept_when_it_fails(
    youtube, ready_video, download, settle, queue_again, content, picture_bytes, outcomes
):
    picture, sound = ready_video(VIDEO)
    download(VIDEO)
    settle("failed")
    queue_again()
    youtube.log.clear()
    youtube.script[sound] = ["403"]
    download()
    assert outcomes()[-2:] == [("deferred", "http-403"), ("downloaded", None)]
    assert youtube.sent(picture) == len(picture_bytes), "fetched once more, not twice"


def test_old_files_stay_when_the_video_can_no_longer_be_had(
    youtube, ready_video, download, settle, queue_again, files, video
):
    ready_video(VIDEO)
    download(VIDEO)
    settle("rejected")
    queue_again()
    youtube.add_unplayable(VIDEO, "ERROR", "This video is private")
    download()
    assert video().state == "unavailable" and len(files()) == 2


def test_old_sections_make_way_for_the_whole_video(
    ready_video, download, settle, queue_again, files, catalog_path, long_bytes, quick_config
):
    ready_video(VIDEO, content=long_bytes, duration_s=60)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.clips.put(VIDEO, Clip(start_s=41, origin="released"))
    download()
    assert list(files()) == [f"{VIDEO}.00039-00054.mkv"]
    settle("failed")
    queue_again()
    download(selection=replace(quick_config.selection, sections="never"))
    assert sorted(files()) == [f"{VIDEO}.sound.338.webm", f"{VIDEO}.video.134.mp4"]


def test_clips_that_an_inspection_found_do_not_ask_for_sections(
    ready_video, download, settle, queue_again, content, catalog_path, long_bytes
):
    ready_video(VIDEO, content=long_bytes, duration_s=60)
    download(VIDEO)
    settle("rejected", Clip(start_s=20))
    queue_again()
    download()
    assert content() == list(long_bytes)


def test_clips_of_a_list_ask_for_sections_though_an_inspection_dropped_them(
    ready_video, download, settle, queue_again, files, catalog_path, long_bytes
):
    ready_video(VIDEO, content=long_bytes, duration_s=60)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.clips.put(VIDEO, Clip(start_s=41, origin="released"))
    download()
    settle("rejected", Clip(start_s=41, origin="released", kept=False, reason="silent"))
    queue_again()
    download()
    assert list(files()) == [f"{VIDEO}.00039-00054.mkv"]
