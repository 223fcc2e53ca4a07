"""A YouTube on loopback: its search, channel and player answers, and media with faults."""

from __future__ import annotations

import io
import json
import random
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from yt_dlp import YoutubeDL
from yt_dlp.networking import Request

from yt360.catalog import Catalog
from yt360.crawl.config import DownloadConfig
from yt360.crawl.download import run_download
from yt360.crawl.fetch import TransferOptions
from yt360.crawl.filters import Filters
from yt360.crawl.plan import Wanted
from yt360.crawl.politeness import Pace, PaceConfig
from yt360.crawl.session import Session, SessionOptions

DRIP_BYTES, DRIP_S = 40, 0.02


class FakeYouTube:
    """Answers like youtube.com as far as yt-dlp looks, and serves media under ``/media/``.

    ``script[path]`` lists what happens to the next requests for a path: ``"403"`` and other status
    codes, ``"429:SECONDS"``, ``"reset:N"`` after N bytes, ``"short:N"`` (closes after N bytes of
    the promised length), ``"lie:N"`` (says that there are only N bytes), ``"drip"``, ``"empty"``,
    ``"html"``, ``"hang-up"``, ``"redirect:/path"``, ``"ok"``. After that, everything is well.
    """

    def __init__(self) -> None:
        self.media: dict[str, bytes] = {}
        self.media_type = "video/mp4"
        self.players: dict[str, dict] = {}
        self.pages: dict[tuple[str, str | None], dict] = {}
        self.script: dict[str, list[str]] = defaultdict(list)
        self.log: list[tuple[str, str | None, int]] = []  # path, Range, bytes sent
        self.bodies: list[dict] = []
        context = {"INNERTUBE_CONTEXT": {"client": {"clientName": "WEB", "clientVersion": "2"}}}
        self.html = f"<script>ytcfg.set({json.dumps(context)});</script>".encode()
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.get(self)

            def do_HEAD(self) -> None:
                outer.get(self)

            def do_POST(self) -> None:
                outer.post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # What the tests set up

    def add_video(self, video_id: str, formats: list[dict], duration_s: float = 4, **more) -> None:
        """Add a playable video; `formats` are entries of ``adaptiveFormats``."""
        self.players[video_id] = {
            "playabilityStatus": {"status": "OK"},
            "videoDetails": {
                "videoId": video_id,
                "title": more.pop("title", f"360 video {video_id}"),
                "lengthSeconds": str(round(duration_s)),
                "channelId": "UC" + "c" * 22,
                "shortDescription": "",
                "isLiveContent": False,
                **more,
            },
            "streamingData": {"adaptiveFormats": formats},
        }

    def add_unplayable(self, video_id: str, status: str, reason: str, subreason: str = "") -> None:
        """Add a video whose player answer has a status other than OK."""
        error = {"playerErrorMessageRenderer": {"reason": {"simpleText": reason}}}
        if subreason:
            error["playerErrorMessageRenderer"]["subreason"] = {"simpleText": subreason}
        self.players[video_id] = {
            "playabilityStatus": {"status": status, "reason": reason, "errorScreen": error},
            "videoDetails": {"videoId": video_id, "title": "x"},
        }

    def sent(self, path: str) -> int:
        """Return how many bytes of a path's content went out in all."""
        return sum(count for name, _, count in self.log if name == path)

    # Answers

    def next_fault(self, path: str) -> str:
        with self.lock:
            return self.script[path].pop(0) if self.script[path] else "ok"

    def post(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.lock:
            self.bodies.append({"path": path, **body})
        fault = self.next_fault(path)
        if self.refuse(handler, path, fault):
            return
        if path.endswith("/player"):
            gone = {"playabilityStatus": {"status": "ERROR", "reason": "Video unavailable"}}
            answer = self.players.get(body["videoId"], gone)
        else:
            key = body.get("query") or body.get("browseId") or ""
            answer = self.pages.get((key, body.get("continuation")), {})
        self.reply(handler, 200, json.dumps(answer).encode(), "application/json")

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        if not path.startswith("/media/"):
            self.reply(handler, 200, self.html, "text/html")
            return
        fault = self.next_fault(path)
        if self.refuse(handler, path, fault):
            return
        body = self.media[path]
        span = handler.headers.get("Range")
        start, end = 0, len(body)
        if span:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else end, end)
            if start >= len(body):
                self.reply(handler, 416, b"", "text/plain")
                return
        self.send_media(handler, path, fault, body[start:end], start, len(body), span)

    def refuse(self, handler: BaseHTTPRequestHandler, path: str, fault: str) -> bool:
        name, _, value = fault.partition(":")
        if name.isdigit():
            headers = {"Retry-After": value} if value else {}
            self.reply(handler, int(name), b"no", "text/plain", headers)
        elif name == "redirect":
            target = value if value.startswith("http") else self.url + value
            self.reply(handler, 302, b"", "text/plain", {"Location": target})
        elif name == "hang-up":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif name in ("empty", "html"):
            body = b"" if name == "empty" else b"<html>Please wait</html>"
            self.reply(handler, 200, body, "video/mp4")
        else:
            return False
        with self.lock:
            self.log.append((path, handler.headers.get("Range"), 0))
        return True

    def send_media(self, handler, path, fault, body, start, total, span) -> None:
        name, _, value = fault.partition(":")
        limit = int(value) if value else len(body)
        if name == "lie":
            total = limit
        promised = min(limit, len(body)) if name == "lie" else len(body)
        handler.send_response(206 if span else 200)
        handler.send_header("Content-Type", self.media_type)
        handler.send_header("Content-Length", str(promised))
        handler.send_header("Accept-Ranges", "bytes")
        if span:
            handler.send_header("Content-Range", f"bytes {start}-{start + promised - 1}/{total}")
        handler.end_headers()
        if handler.command == "HEAD":
            return
        sent = 0
        try:
            for chunk in self.chunks(name, body[:limit]):
                handler.wfile.write(chunk)
                sent += len(chunk)
            if name == "reset":
                handler.wfile.flush()
                time.sleep(0.05)
                handler.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            if name != "ok":
                handler.close_connection = True
                handler.connection.close()
        except OSError:
            handler.close_connection = True
        with self.lock:
            self.log.append((path, span, sent))

    def chunks(self, name: str, body: bytes) -> Iterator[bytes]:
        if name != "drip":
            yield body
            return
        for i in range(0, len(body), DRIP_BYTES):
            time.sleep(DRIP_S)
            yield body[i : i + DRIP_BYTES]

    def reply(self, handler, status: int, body: bytes, kind: str, headers=None) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)


@pytest.fixture
def youtube() -> Iterator[FakeYouTube]:
    server = FakeYouTube()
    yield server
    server.close()


@pytest.fixture
def send_to_loopback(youtube: FakeYouTube):
    """A method for sessions that finds YouTube on loopback; everything else in them is real."""

    def send(self: Session, request: Request):
        asked = request.url
        for host in ("https://www.youtube.com", "https://m.youtube.com"):
            if asked.startswith(host):
                request = request.copy()
                request.url = youtube.url + asked.removeprefix(host)
        response = YoutubeDL.urlopen(self, request)
        if response.url.startswith(youtube.url) and not asked.startswith(youtube.url):
            response.url = asked
        return response

    return send


@pytest.fixture
def make_session(send_to_loopback):
    """Make sessions that find YouTube on loopback, and ask one player client only."""

    class LoopbackSession(Session):
        send = send_to_loopback

        def __init__(self, options, pace, stop, parameters=None, turn_page=None) -> None:
            clients = {"youtube": {"player_client": ["visionos"], "player_skip": ["webpage"]}}
            parameters = {"extractor_args": clients, "extractor_retries": 0, **(parameters or {})}
            super().__init__(options, pace, stop, parameters, turn_page)

    return LoopbackSession


@pytest.fixture
def catalog_path(tmp_path: Path) -> Path:
    path = tmp_path / "my.catalog"
    Catalog(path, create=True).close()
    return path


@pytest.fixture
def session_options(youtube: FakeYouTube) -> SessionOptions:
    return SessionOptions(allow_urls=(youtube.url + "/media/",), timeout_s=5.0)


@pytest.fixture
def quick_config(session_options: SessionOptions) -> DownloadConfig:
    """A run without pauses that would make tests slow."""
    return DownloadConfig(
        workers=1,
        lease_s=60.0,
        retry_first_s=0.02,
        wait_s=4.0,
        pace=PaceConfig(interval_s=0.0, first_pause_s=0.05, trouble_limit=50),
        session=session_options,
        wanted=Wanted(filters=Filters(min_duration_s=1.0)),
        transfer=TransferOptions(retries=2, retry_first_s=0.01, min_free_bytes=0),
    )


@pytest.fixture
def pace(catalog_path: Path) -> Iterator[Pace]:
    with Catalog(catalog_path) as catalog:
        yield Pace(catalog, PaceConfig(interval_s=0.0), threading.Event(), random.Random(0))


@pytest.fixture
def download(catalog_path, make_session, quick_config):
    """Return a function that adds videos, runs the download once, and returns its report."""

    def run(*video_ids, stop=None, **changes):
        with Catalog(catalog_path) as catalog:
            for video_id in video_ids:
                catalog.videos.add(video_id)
        config = replace(quick_config, **changes)
        return run_download(
            catalog_path, config, stop or threading.Event(), make_session=make_session
        )

    return run


@pytest.fixture
def content(catalog_path):
    """Return a function that gives the bytes of a video's files, picture first."""

    def read(video_id="-abcdefghi_"):
        with Catalog(catalog_path) as catalog:
            return [(catalog.media / file.path).read_bytes() for file in catalog.files.of(video_id)]

    return read


@pytest.fixture
def video(catalog_path):
    def read(video_id="-abcdefghi_"):
        with Catalog(catalog_path) as catalog:
            return catalog.videos.get(video_id)

    return read


@pytest.fixture
def outcomes(catalog_path):
    def read(video_id="-abcdefghi_"):
        with Catalog(catalog_path) as catalog:
            return [(a.outcome, a.reason) for a in catalog.claims.history(video_id)]

    return read


def _encode(
    container: str, duration_s: float, picture: bool, sound: bool, key_frame_s: float = 1.0
) -> bytes:
    """Return a tiny file whose content tells the time: the picture's grey is 4 t + noise, the
    sound's value t / 100 (t in seconds)."""
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    gop = str(round(10 * key_frame_s))
    with av.open(file, "w", format=container) as out:
        streams = []
        if picture:
            video = out.add_stream("libx264", rate=10, options={"g": gop, "crf": "23"})
            video.width, video.height, video.pix_fmt = 192, 96, "yuv420p"
            streams.append(video)
        if sound:
            streams.append(out.add_stream("flac", rate=8000, layout="4.0"))
        for index in range(int(duration_s * 10)):
            if picture:
                frame = av.VideoFrame.from_ndarray(
                    rng.integers(0, 12, (96, 192), dtype=np.uint8)
                    + np.uint8(min(index * 0.4, 240)),
                    format="gray",
                )
                frame.pts, frame.time_base = index, Fraction(1, 10)
                out.mux(video.encode(frame))
            if sound:
                ramp = np.arange(index * 800, (index + 1) * 800) / 8000 / 100  # value = time / 100
                packed = np.repeat((ramp * 32767).astype(np.int16), 4)[None]
                block = av.AudioFrame.from_ndarray(packed, format="s16", layout="4.0")
                block.sample_rate, block.pts = 8000, index * 800
                block.time_base = Fraction(1, 8000)
                out.mux(streams[-1].encode(block))
        for stream in streams:
            out.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture(scope="session")
def picture_bytes() -> bytes:
    return _encode("mp4", 4.0, picture=True, sound=False)


@pytest.fixture(scope="session")
def sound_bytes() -> bytes:
    return _encode("matroska", 4.0, picture=False, sound=True)


@pytest.fixture(scope="session")
def long_bytes() -> tuple[bytes, bytes]:
    """Picture and sound of 60 s."""
    return (
        _encode("mp4", 60.0, picture=True, sound=False),
        _encode("matroska", 60.0, picture=False, sound=True),
    )


@pytest.fixture(scope="session")
def long_bytes_with_one_key_frame(long_bytes) -> tuple[bytes, bytes]:
    """Picture and sound of 60 s."""
    return _encode("mp4", 60.0, picture=True, sound=False, key_frame_s=60), long_bytes[1]


@pytest.fixture
def ready_video(youtube: FakeYouTube, picture_bytes: bytes, sound_bytes: bytes):
    """Return a function that puts a 360° video with ambisonic sound on the server."""

    def add(video_id: str, content=(picture_bytes, sound_bytes), **more) -> tuple[str, str]:
        paths = f"/media/{video_id}.mp4", f"/media/{video_id}.webm"
        youtube.media.update(zip(paths, content, strict=True))
        youtube.add_video(
            video_id,
            [
                {
                    "itag": 134,
                    "url": youtube.url + paths[0],
                    "mimeType": 'video/mp4; codecs="avc1.4d401e"',
                    "width": 640,
                    "height": 320,
                    "fps": 25,
                    "bitrate": 500000,
                    "contentLength": str(len(content[0])),
                    "projectionType": "EQUIRECTANGULAR",
                    "qualityLabel": "360p",
                },
                {
                    "itag": 338,
                    "url": youtube.url + paths[1],
                    "mimeType": 'audio/webm; codecs="opus"',
                    "bitrate": 480000,
                    "contentLength": str(len(content[1])),
                    "audioChannels": 4,
                    "audioSampleRate": "48000",
                    "spatialAudioType": "SPATIAL_AUDIO_TYPE_AMBISONICS_QUAD",
                },
            ],
            **more,
        )
        return paths

    return add
