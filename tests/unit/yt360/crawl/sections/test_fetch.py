"""What holds for sections only: FFmpeg asks nobody but the relay, and does not outlive its work."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from helpers.errors import bad_item

from yt360.catalog import Catalog, Clip
from yt360.crawl.sections import fetch as section_fetch
from yt360.crawl.youtube.options import ClientOptions
from yt360.retry import RetryPolicy

VIDEO = "-abcdefghi_"


@pytest.fixture
def streams(ready_video, catalog_path, long_bytes):
    """Add a video of which one section is wanted; return the paths of its streams."""
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.clips.put(VIDEO, Clip(start_s=41, origin="released"))
    return ready_video(VIDEO, content=long_bytes, duration_s=60)


@pytest.fixture
def processes(monkeypatch):
    """The FFmpeg processes that sections start."""
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(section_fetch.subprocess, "Popen", Recorded)
    return started


@pytest.mark.parametrize(("start_s", "page_s"), [(48, 61), (50, 61), (51, 61)])
def test_a_page_that_rounds_the_length_up_does_not_make_the_last_section_fail(
    ready_video, download, catalog_path, long_bytes, start_s, page_s
):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.clips.put(VIDEO, Clip(start_s=start_s, origin="released"))
    ready_video(VIDEO, content=long_bytes, duration_s=page_s)
    report = download(retry=RetryPolicy(1, 0.02))
    assert dict(report.outcomes) == {("downloaded", ""): 1}
    with Catalog(catalog_path) as catalog:
        (file,) = catalog.files.of(VIDEO)
    assert file.start_s <= start_s and file.end_s == pytest.approx(60.0, abs=0.11)


def test_a_section_without_the_end_of_its_clip_is_truncated(
    ready_video, download, catalog_path, long_bytes, outcomes
):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.clips.put(VIDEO, Clip(start_s=52, origin="released"))
    ready_video(VIDEO, content=long_bytes, duration_s=70)
    download(retry=RetryPolicy(1, 0.02))
    assert outcomes() == [("failed", "truncated")]


def test_sections_that_begin_at_the_same_key_frame_reject_the_video(
    ready_video, download, quick_config, catalog_path, long_bytes_with_one_key_frame, outcomes
):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        clips = [Clip(start_s=start_s, origin="released") for start_s in (2, 41)]
        catalog.clips.put(VIDEO, *clips)
    ready_video(VIDEO, content=long_bytes_with_one_key_frame, duration_s=60)
    download()
    assert outcomes() == [("rejected", "sparse-key-frames")]
    with Catalog(catalog_path) as catalog:
        catalog.videos.requeue([VIDEO])
    download(selection=replace(quick_config.selection, sections="never"))
    assert outcomes()[-1][0] == "downloaded"


class _Socks(BaseRequestHandler):
    """Speaks SOCKS5 and brings every host name to one port of loopback."""

    def handle(self) -> None:
        with suppress(OSError, struct.error):
            methods = self.request.recv(2)[1]
            self.request.recv(methods)
            self.request.sendall(b"\5\0")
            kind = self.request.recv(4)[3]
            host = self.request.recv(4 if kind == 1 else self.request.recv(1)[0])
            self.request.recv(2)
            self.server.hosts.append(host)
            with socket.create_connection(("127.0.0.1", self.server.leads_to)) as there:
                self.request.sendall(b"\5\0\0\1" + bytes(6))
                threading.Thread(target=_pass_on, args=(self.request, there), daemon=True).start()
                _pass_on(there, self.request)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def socks(youtube) -> Iterator[ThreadingTCPServer]:
    with ThreadingTCPServer(("127.0.0.1", 0), _Socks) as server:
        server.daemon_threads = True
        server.leads_to, server.hosts = youtube.server.server_port, []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_socks_proxy_is_used_and_no_other(
    youtube, streams, download, outcomes, socks, quick_config, monkeypatch
):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    for form in youtube.players[VIDEO]["streamingData"]["adaptiveFormats"]:
        form["url"] = form["url"].replace(youtube.url, "http://media.invalid")
    client = replace(
        quick_config.client,
        proxy=f"socks5h://127.0.0.1:{socks.server_address[1]}",
        allow_urls=("http://media.invalid/",),
    )
    download(client=client)
    assert outcomes() == [("downloaded", None)]
    assert b"media.invalid" in socks.hosts


def test_the_rate_limit_holds_for_picture_and_sound_together(
    streams, download, catalog_path, long_bytes
):
    rate = sum(map(len, long_bytes)) / 4  # a section is about a quarter: it takes a second
    download(max_rate_bytes_per_s=rate)
    with Catalog(catalog_path) as catalog:
        (attempt,) = catalog.claims.history(VIDEO)
        (file,) = catalog.files.of(VIDEO)
    assert attempt.outcome == "downloaded"
    assert attempt.ended_at - attempt.started_at >= 0.9 * file.bytes / rate


def test_a_playlist_in_place_of_a_video_leads_nowhere(
    youtube, streams, download, outcomes, long_bytes
):
    lines = "#EXTM3U", "#EXT-X-TARGETDURATION:60", "#EXTINF:60,", f"{youtube.url}/media/inside.mp4"
    playlist = "\n".join([*lines, "#EXT-X-ENDLIST"]).encode()
    youtube.media[streams[0]] = playlist.ljust(len(long_bytes[0]), b"\n")
    youtube.media_type = "application/x-mpegurl"
    youtube.media["/media/inside.mp4"] = long_bytes[0]
    download(retry=RetryPolicy(1, 0.02))
    assert outcomes() == [("failed", "not-media")]
    assert "/media/inside.mp4" not in [path for path, _, _ in youtube.log]


@pytest.mark.parametrize(
    ("fault", "reason"), [("403", "http-403"), ("html", "wrong-size"), ("drip", "too-slow")]
)
def test_ffmpeg_is_gone_when_its_section_has_failed(
    youtube, streams, download, outcomes, processes, catalog_path, quick_config, fault, reason
):
    youtube.script[streams[0]] = [fault] * 9
    transfer = replace(quick_config.transfer, min_rate_bytes_per_s=50_000, slow_window_s=0.3)
    download(retry=RetryPolicy(1, 0.02), transfer=transfer)
    assert outcomes() == [("failed", reason)]
    assert processes and all(process.poll() is not None for process in processes)
    assert not list((catalog_path.parent / "my-media").rglob("*.part"))


def test_ffmpeg_is_told_nothing_of_the_site(youtube, streams, download, processes):
    download()
    assert not any(youtube.url in argument for ffmpeg in processes for argument in ffmpeg.args)


def test_streams_that_are_no_plain_files_are_fetched_whole(
    youtube, streams, download, catalog_path, monkeypatch
):
    monkeypatch.setattr("yt360.crawl.download.plan.PROTOCOLS", ("https",))
    download()
    with Catalog(catalog_path) as catalog:
        assert [file.role for file in catalog.files.of(VIDEO)] == ["video", "sound"]


@pytest.mark.parametrize("protocol", ["m3u8", "m3u8_native", "https+m3u8_native"])
def test_playlists_that_ffmpeg_might_read_by_itself_are_refused(make_client, tmp_path, protocol):
    client = make_client(ClientOptions(), limiter=None, stop=threading.Event())
    info = {"url": "https://127.0.0.1/x.m3u8", "protocol": protocol}
    with bad_item("hls-only"):
        client.dl(str(tmp_path / "x.mp4"), info)
    assert not list(tmp_path.iterdir())
