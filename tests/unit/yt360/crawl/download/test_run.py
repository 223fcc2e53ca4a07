from __future__ import annotations

import stat
from dataclasses import replace
from functools import partial

import av
import pytest

from yt360.catalog import Catalog, Clip
from yt360.catalog.lists.yt360_lists import import_urls
from yt360.crawl.download.fetch import Fetcher
from yt360.crawl.download.video_folder import folder_lock
from yt360.retry import RetryPolicy

VIDEO = "-abcdefghi_"


def test_a_video_is_downloaded_whole_with_its_facts(
    youtube, ready_video, download, content, video, picture_bytes, sound_bytes
):
    paths = ready_video(VIDEO, title="A hall")
    report = download(VIDEO)
    assert content() == [picture_bytes, sound_bytes]
    assert dict(report.outcomes) == {("downloaded", ""): 1}
    assert report.bytes == len(picture_bytes) + len(sound_bytes)
    facts = video()
    assert (facts.state, facts.title, facts.duration_s) == ("downloaded", "A hall", 4)
    assert (facts.projection, facts.spatial_audio) == ("equirectangular", "quad")
    assert youtube.sent(paths[0]) == len(picture_bytes)


def test_media_are_their_owners_alone(ready_video, download, catalog_path):
    ready_video(VIDEO)
    download(VIDEO)
    with Catalog(catalog_path) as catalog:
        assert stat.S_IMODE(catalog.media.stat().st_mode) == 0o700


def test_half_a_character_in_a_title_does_no_harm(ready_video, download, video, content):
    ready_video(VIDEO, title="cut \ud83d", shortDescription="\udc00")
    report = download(VIDEO)
    assert dict(report.outcomes) == {("downloaded", ""): 1} and len(content()) == 2
    assert video().title.startswith("cut ") and video().title.isprintable()


def test_half_a_character_in_what_youtube_says_does_no_harm(youtube, download, video):
    youtube.add_unplayable(VIDEO, "ERROR", "This video is private \ud83d")
    report = download(VIDEO)
    assert dict(report.outcomes) == {("unavailable", "private"): 1}
    assert "private" in video().detail and video().detail.isprintable()


def test_a_second_run_asks_for_nothing(youtube, ready_video, download):
    ready_video(VIDEO)
    download(VIDEO)
    requests = len(youtube.log), len(youtube.bodies)
    assert not download().outcomes
    assert (len(youtube.log), len(youtube.bodies)) == requests


@pytest.mark.parametrize("fault", ["reset:20000", "short:20000"])
def test_a_broken_transfer_goes_on_where_it_stopped(
    youtube, ready_video, download, content, picture_bytes, outcomes, fault
):
    picture, _ = ready_video(VIDEO)
    youtube.script[picture] = [fault]
    download(VIDEO)
    assert content()[0] == picture_bytes
    assert outcomes() == [("downloaded", None)], "yt-dlp itself takes the connection up again"
    asked = [span for path, span, _ in youtube.log if path == picture]
    begins = [int(span.removeprefix("bytes=").partition("-")[0]) for span in asked]
    assert begins[0] == 0 and begins[1] > 0
    assert youtube.sent(picture) <= len(picture_bytes) + 5000


def test_a_slow_drip_is_cut_and_resumed(
    youtube, ready_video, download, content, picture_bytes, outcomes, quick_config
):
    picture, _ = ready_video(VIDEO)
    youtube.script[picture] = ["drip"]
    transfer = replace(quick_config.transfer, min_rate_bytes_per_s=50_000, slow_window_s=0.3)
    download(VIDEO, transfer=transfer)
    assert content()[0] == picture_bytes
    assert outcomes() == [("deferred", "too-slow"), ("downloaded", None)]
    spans = [span for path, span, _ in youtube.log if path == picture]
    begins = sorted(int(span.removeprefix("bytes=").partition("-")[0]) for span in spans)
    assert begins[0] == 0 < begins[1], "the second try asks for the rest only"


def test_a_429_that_yt_dlp_swallows_still_counts(youtube, ready_video, download, outcomes):
    ready_video(VIDEO)
    youtube.script["/youtubei/v1/player"] = ["429:0"]
    download(VIDEO)
    assert outcomes() == [("deferred", "http-429"), ("downloaded", None)]


def test_a_pause_longer_than_our_patience_ends_the_run(
    youtube, ready_video, download, outcomes, quick_config
):
    picture, _ = ready_video(VIDEO)
    ready_video("other_video")
    youtube.script[picture] = ["429:5000"]
    rate_limit = replace(quick_config.rate_limit, max_wait_s=60)
    report = download(VIDEO, "other_video", rate_limit=rate_limit)
    assert "83 more minutes" in report.stopped
    assert outcomes(VIDEO) == [("deferred", "http-429")]
    assert outcomes("other_video") == [("released", "interrupted")]


def test_only_the_sections_around_known_clips_are_fetched(
    ready_video, download, catalog_path, long_bytes
):
    ready_video(VIDEO, content=long_bytes, duration_s=60)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.clips.put(VIDEO, *(Clip(start_s=start, origin="released") for start in (3, 41)))
    download()
    with Catalog(catalog_path) as catalog:
        files = catalog.files.of(VIDEO)
        assert [file.role for file in files] == ["both", "both"]
        assert [file.path.rpartition("/")[2] for file in files] == [
            f"{VIDEO}.00001-00016.mkv",
            f"{VIDEO}.00039-00054.mkv",
        ]
        for file, (begin, end) in zip(files, [(1, 16), (39, 54)], strict=True):
            assert file.start_s == int(file.start_s) <= begin and file.end_s >= end
            (first, grey), (last, _), (heard, value) = what_and_when(catalog.media / file.path)
            assert file.start_s + first <= begin and file.start_s + last >= end - 0.11
            assert grey / 4 == pytest.approx(file.start_s + first, abs=0.5)
            assert value * 100 == pytest.approx(file.start_s + heard, abs=0.01)


def what_and_when(path):
    """Return (time, content) of the first and last picture and of the first sample."""
    with av.open(str(path)) as container:
        frames = [
            (f.time, f.to_ndarray(format="gray").mean() - 5.5) for f in container.decode(video=0)
        ]
    with av.open(str(path)) as container:
        block = next(container.decode(audio=0))
        return frames[0], frames[-1], (block.time, block.to_ndarray().ravel()[0] / 32767)


def test_sections_that_are_here_already_are_not_fetched_again(
    youtube, ready_video, download, catalog_path, long_bytes, content
):
    ready_video(VIDEO, content=long_bytes, duration_s=60)
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.clips.put(VIDEO, Clip(start_s=3, origin="released"))
    download()
    before, requests = content(), len(youtube.log)
    with Catalog(catalog_path) as catalog:
        catalog.files.clear(VIDEO)  # as if it had been killed before it could write this down
        catalog.videos.requeue([VIDEO])
    download()
    assert content() == before
    assert len(youtube.log) == requests


@pytest.mark.parametrize("extra_bytes", [0, 10])
def test_a_partial_file_that_is_complete_or_longer_does_no_harm(
    ready_video, download, content, catalog_path, picture_bytes, extra_bytes, youtube
):
    picture, _ = ready_video(VIDEO)
    folder = catalog_path.parent / "my-media" / VIDEO[:2] / VIDEO
    folder.mkdir(parents=True)
    part = folder / f"{VIDEO}.video.134.mp4.part"
    part.write_bytes(picture_bytes + b"x" * extra_bytes)
    download(VIDEO)
    assert content()[0] == picture_bytes
    assert youtube.sent(picture) == (len(picture_bytes) if extra_bytes else 0)


def test_a_partial_file_longer_than_an_undeclared_size_is_dropped(
    ready_video, download, content, catalog_path, picture_bytes, youtube
):
    ready_video(VIDEO)
    del youtube.players[VIDEO]["streamingData"]["adaptiveFormats"][0]["contentLength"]
    folder = catalog_path.parent / "my-media" / VIDEO[:2] / VIDEO
    folder.mkdir(parents=True)
    (folder / f"{VIDEO}.video.134.mp4.part").write_bytes(picture_bytes + b"x" * 1000)
    download(VIDEO)
    assert content()[0] == picture_bytes


def test_a_page_with_several_videos_is_refused_before_any_is_fetched(
    youtube, download, catalog_path, quick_config
):
    item = "<item><title>{0}</title><link>{1}/media/{0}.mp4</link></item>"
    items = "".join(item.format(name, youtube.url) for name in "ab")
    youtube.html = f"<rss><channel><title>feed</title>{items}</channel></rss>".encode()
    with Catalog(catalog_path) as catalog:
        import_urls(catalog, [youtube.url + "/page"])
    client = replace(quick_config.client, allow_urls=(youtube.url + "/",))
    download(client=client)
    with Catalog(catalog_path) as catalog:
        (page,) = catalog.videos.select()
    assert (page.state, page.reason) == ("rejected", "several-videos")
    assert not youtube.log


def test_a_page_without_a_video_is_told(youtube, download, catalog_path, quick_config):
    with Catalog(catalog_path) as catalog:
        import_urls(catalog, [youtube.url + "/page"])
    download(client=replace(quick_config.client, allow_urls=(youtube.url + "/",)))
    with Catalog(catalog_path) as catalog:
        (page,) = catalog.videos.select()
    assert (page.state, page.reason) == ("rejected", "no-media")


def test_a_video_that_another_process_has_in_its_hands_is_left_to_it(
    ready_video, download, catalog_path, outcomes, youtube
):
    ready_video(VIDEO)
    with folder_lock(catalog_path.parent / "my-media" / VIDEO[:2] / VIDEO):
        download(VIDEO, wait_s=0.0)
        assert outcomes() == [("deferred", "busy")]
    assert not youtube.bodies, "nothing was asked"


def test_a_network_that_is_down_costs_no_more_than_a_few_tries(
    download, catalog_path, quick_config, youtube, ready_video, content, outcomes
):
    ready_video(VIDEO)
    rate_limit = replace(
        quick_config.rate_limit, max_errors=2, first_pause_s=0.01, max_pause_s=0.01
    )
    youtube.script["/youtubei/v1/player"] = ["hang-up"] * 12
    report = download(VIDEO, rate_limit=rate_limit, retry=RetryPolicy(3, 0.02))
    assert outcomes() == [("deferred", "connection")] * 12 + [("downloaded", None)]
    assert dict(report.outcomes) == {("downloaded", ""): 1} and len(content()) == 2


def test_a_crash_costs_the_video_that_it_comes_from(
    crashing, ready_video, download, video, make_client
):
    ready_video("crash-video")
    fetcher = partial(Fetcher, make_client=make_client)
    report = download("crash-video", retry=RetryPolicy(1, 0.02), fetcher=fetcher)
    assert dict(report.outcomes) == {("failed", "crash"): 1}
    assert "SIGSEGV" in video("crash-video").detail
