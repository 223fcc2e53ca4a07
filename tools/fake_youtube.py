"""A fake YouTube on loopback: search, channel and player responses, and media with faults.

The tests of the crawl and `tools/kill` download from it. `send_to` makes a
client of yt-dlp find it in place of youtube.com.
"""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
from yt_dlp import YoutubeDL
from yt_dlp.networking import Request, Response

from yt360.crawl.youtube.client import YoutubeClient

DRIP_S = 0.02


class FakeYouTube:
    """Responds like youtube.com to the requests of yt-dlp, and serves media under ``/media/``.

    ``script[path]`` lists what happens to the next requests for a path: ``"403"`` and other status
    codes, ``"429:SECONDS"``, ``"reset:N"`` after N bytes, ``"short:N"`` (closes after N bytes of
    the promised length), ``"lie:N"`` (declares only N bytes), ``"drip"``, ``"empty"``,
    ``"html"``, ``"hang-up"``, ``"redirect:/path"``, ``"ok"``. Later requests succeed.
    """

    def __init__(self) -> None:
        self.media: dict[str, bytes] = {}
        self.media_type = "video/mp4"
        self.drip_bytes = 40
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
            disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                outer._get(self)

            def do_HEAD(self) -> None:
                outer._get(self)

            def do_POST(self) -> None:
                outer._post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self.server.shutdown()
        self.server.server_close()

    # What the tests set up

    def add_video(
        self, video_id: str, formats: list[dict], duration_s: float = 4, **more: Any
    ) -> None:
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

    def add_spatial_video(
        self, video_id: str, content: tuple[bytes, bytes], **more: Any
    ) -> tuple[str, str]:
        """Add a 360° video with ambisonic audio; return the paths of video and audio."""
        paths = f"/media/{video_id}.mp4", f"/media/{video_id}.webm"
        self.media.update(zip(paths, content, strict=True))
        self.add_video(
            video_id,
            [
                {
                    "itag": 134,
                    "url": self.url + paths[0],
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
                    "url": self.url + paths[1],
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

    def add_unplayable(self, video_id: str, status: str, reason: str, subreason: str = "") -> None:
        """Add a video whose player answer has a status other than OK."""
        error: dict[str, dict] = {"playerErrorMessageRenderer": {"reason": {"simpleText": reason}}}
        if subreason:
            error["playerErrorMessageRenderer"]["subreason"] = {"simpleText": subreason}
        self.players[video_id] = {
            "playabilityStatus": {"status": status, "reason": reason, "errorScreen": error},
            "videoDetails": {"videoId": video_id, "title": "x"},
        }

    def sent(self, path: str) -> int:
        """Return the total number of bytes sent for a path."""
        return sum(count for name, _, count in self.log if name == path)

    # Answers

    def _next_fault(self, path: str) -> str:
        with self.lock:
            return self.script[path].pop(0) if self.script[path] else "ok"

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.lock:
            self.bodies.append({"path": path, **body})
        fault = self._next_fault(path)
        if self._refuse(handler, path, fault):
            return
        if path.endswith("/player"):
            gone = {"playabilityStatus": {"status": "ERROR", "reason": "Video unavailable"}}
            answer = self.players.get(body["videoId"], gone)
        else:
            key = body.get("query") or body.get("browseId") or ""
            answer = self.pages.get((key, body.get("continuation")), {})
        self._reply(handler, 200, json.dumps(answer).encode(), "application/json")

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        if not path.startswith("/media/"):
            self._reply(handler, 200, self.html, "text/html")
            return
        fault = self._next_fault(path)
        if self._refuse(handler, path, fault):
            return
        body = self.media[path]
        span = handler.headers.get("Range")
        start, end = 0, len(body)
        if span:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else end, end)
            if start >= len(body):
                self._reply(handler, 416, b"", "text/plain")
                return
        self._send_media(handler, path, fault, body[start:end], start, len(body), span)

    def _refuse(self, handler: BaseHTTPRequestHandler, path: str, fault: str) -> bool:
        name, _, value = fault.partition(":")
        if name.isdigit():
            headers = {"Retry-After": value} if value else {}
            self._reply(handler, int(name), b"no", "text/plain", headers)
        elif name == "redirect":
            target = value if value.startswith("http") else self.url + value
            self._reply(handler, 302, b"", "text/plain", {"Location": target})
        elif name == "hang-up":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif name in ("empty", "html"):
            body = b"" if name == "empty" else b"<html>Please wait</html>"
            self._reply(handler, 200, body, "video/mp4")
        else:
            return False
        with self.lock:
            self.log.append((path, handler.headers.get("Range"), 0))
        return True

    def _send_media(
        self,
        handler: BaseHTTPRequestHandler,
        path: str,
        fault: str,
        body: bytes,
        start: int,
        total: int,
        span: str | None,
    ) -> None:
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
        """Yield the blocks in which content is sent; `name` is what happens to the request."""
        if name != "drip":
            yield body
            return
        for i in range(0, len(body), self.drip_bytes):
            time.sleep(DRIP_S)
            yield body[i : i + self.drip_bytes]

    def _reply(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        kind: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)


def send_to(url: str) -> Callable[[YoutubeClient, Request], Response]:
    """Return a `YoutubeClient.send` that sends requests for YouTube to another address."""

    def send(self: YoutubeClient, request: Request) -> Response:
        self.reach.named.add("127.0.0.1")
        asked = request.url
        for host in ("https://www.youtube.com", "https://m.youtube.com"):
            if asked.startswith(host):
                request = request.copy()
                request.url = url + asked.removeprefix(host)
        response = YoutubeDL.urlopen(self, request)
        if response.url.startswith(url) and not asked.startswith(url):
            response.url = asked
        return response

    return send


def video_renderer(
    video_id: str, duration: str = "2:05", channel: str = "UC" + "x" * 22
) -> dict[str, Any]:
    """Return a search result in the format of YouTube's innertube API."""
    return {
        "videoRenderer": {
            "videoId": video_id,
            "title": {"runs": [{"text": f"title of {video_id}"}]},
            "lengthText": {"simpleText": duration},
            "ownerText": {"runs": [{"text": "somebody"}]},
            "shortBylineText": {
                "runs": [
                    {
                        "text": "somebody",
                        "navigationEndpoint": {"browseEndpoint": {"browseId": channel}},
                    }
                ]
            },
        }
    }


def continuation(token: str) -> dict[str, Any]:
    """Return the item of a listing that leads to its next page."""
    endpoint = {"continuationCommand": {"token": token}}
    return {"continuationItemRenderer": {"continuationEndpoint": endpoint}}


def search_page(items: list[dict[str, Any]], token: str | None, first: bool) -> dict[str, Any]:
    """Return a page of search results; `token` leads to the next one."""
    more = [continuation(token)] if token else []
    contents: list[dict[str, Any]] = [{"itemSectionRenderer": {"contents": items}}, *more]
    if first:
        section = {"sectionListRenderer": {"contents": contents}}
        return {"contents": {"twoColumnSearchResultsRenderer": {"primaryContents": section}}}
    action = {"appendContinuationItemsAction": {"continuationItems": contents}}
    return {"onResponseReceivedCommands": [action]}


def media_bytes(
    container: str, duration_s: float, has_video: bool, has_audio: bool, key_frame_s: float = 1.0
) -> bytes:
    """Return a tiny media file whose content encodes the time.

    At t seconds the luma of the video is 4 t + noise, and the audio samples are t / 100.
    """
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    options = {"g": str(round(10 * key_frame_s)), "crf": "23", "preset": "ultrafast"}
    with av.open(file, "w", format=container) as out:
        video = out.add_stream("libx264", rate=10, options=options) if has_video else None
        audio = out.add_stream("flac", rate=8000, layout="4.0") if has_audio else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 192, 96, "yuv420p"
        for index in range(int(duration_s * 10)):
            if video is not None:
                frame = av.VideoFrame.from_ndarray(
                    rng.integers(0, 12, (96, 192), dtype=np.uint8)
                    + np.uint8(min(index * 0.4, 240)),
                    format="gray",
                )
                frame.pts, frame.time_base = index, Fraction(1, 10)
                out.mux(video.encode(frame))
            if audio is not None:
                ramp = np.arange(index * 800, (index + 1) * 800) / 8000 / 100
                packed = np.repeat((ramp * 32767).astype(np.int16), 4)[None]
                block = av.AudioFrame.from_ndarray(packed, format="s16", layout="4.0")
                block.sample_rate, block.pts = 8000, index * 800
                block.time_base = Fraction(1, 8000)
                out.mux(audio.encode(block))
        if video is not None:
            out.mux(video.encode(None))
        if audio is not None:
            out.mux(audio.encode(None))
    return file.getvalue()
