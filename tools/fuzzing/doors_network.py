"""Doors of servers: datasets over HTTP, and the pages of video sites."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.door import Door, Files, Refused, door_of
from fuzzing.material import VIDEO_IDS, dataset
from fuzzing.mutate import mutate_bytes, mutate_json, odd_value

_MOST_SENT = 64 << 20


class RawServer:
    """A server on loopback that sends prepared bytes, whatever it is asked.

    ``answers`` maps a request's path to bytes; ``""`` is for all others. Where an answer holds
    ``@ENDLESS@``, the rest of it is sent again and again.
    """

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with suppress(OSError), connection:
                connection.settimeout(2.0)
                request = connection.recv(65536).decode("latin-1").split(" ")
                path = request[1] if len(request) > 1 else ""
                answer = self.answers.get(path, self.answers.get("", b""))
                first, mark, again = answer.partition(b"@ENDLESS@")
                connection.sendall(first)
                sent = 0
                while mark and again and sent < _MOST_SENT:
                    connection.sendall(again * 1000)
                    sent += len(again) * 1000
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass


@cache
def _server() -> RawServer:
    return RawServer()


def _answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _split(answer: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


_STATUSES = (
    b"HTTP/1.1 206 Partial", b"HTTP/1.1 302 Found", b"HTTP/1.1 404 \x1b[2Jgone", b"HTTP/1.1 503 x",
    b"HTTP/9.9 200 OK", b"HTTP/1.1 -1 x", b"HTTP/1.1 99999999999 x", b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 204 None", b"HTTP/1.1 401 x", b"HTTP/1.1 429 slow", b"garbage", b"", b"HTTP/1.1 200",
    b"HTTP/1.0 200 OK", b"ICY 200 OK", b"HTTP/1.1 308 x", b"HTTP/1.1 416 x",
    b"HTTP/1.1 200 " + b"x" * 70_000,
)  # fmt: skip
_HEADERS = (
    b"Content-Length: 100000000000000", b"Content-Length: -1", b"Content-Length: 0",
    b"Content-Length: 1, 2", b"Content-Length: \xc2\xb2", b"Content-Length: 9" + b"9" * 5000,
    b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Encoding: br",
    b"Location: /set/dataset.json", b"Location: http://169.254.169.254/latest",
    b"Location: //10.0.0.1/",
    b"Location: file:///etc/passwd", b"Location: http://[", b"Location: http://127.0.0.1:1/\x1b[2J",
    b"Location: ftp://127.0.0.1/x", b"Location: " + b"x" * 5000, b"Location:",
    b"Retry-After: 1e999",
    b"Retry-After: 9999999999999999999999", b"Content-Range: bytes 5-1/0",
    b"Content-Range: bytes */x",
    b"Content-Type: text/html; charset=\x00", b"Set-Cookie: a=b; domain=.com",
    b"X: " + b"y" * 70_000,
    b"no colon", b": empty", b"\x00\xff: \x1b[2J", b"Content-Range: bytes 0-9/99999999999999999999",
)  # fmt: skip


def mutate_answer(draw: Random, answer: bytes) -> bytes:
    """Return an HTTP answer with another status, other headers, another body, or changed bytes."""
    head, body = _split(answer)
    for _ in range(draw.choice((1, 1, 2, 3))):
        kind = draw.randrange(7)
        if kind == 0:
            head[0] = draw.choice(_STATUSES)
        elif kind in (1, 2):
            head.insert(draw.randrange(1, len(head) + 1), draw.choice(_HEADERS))
        elif kind == 3 and len(head) > 1:
            del head[draw.randrange(1, len(head))]
        elif kind == 4:
            body = mutate_bytes(draw, body)
        elif kind == 5:
            body = draw.choice(
                (b"", b"5\r\nabc", b"ffffffffffffffff\r\nx", b"@ENDLESS@" + b"x" * 999, body * 3)
            )
        else:
            head.append(
                b"X-%d: y" % draw.randrange(9) if draw.random() < 0.8 else b"A: b\r\n" * 300
            )
    answer = b"\r\n".join(head) + b"\r\n\r\n" + body
    return mutate_bytes(draw, answer) if draw.random() < 0.1 else answer


_PATHS = ("dataset.json", "train/index.parquet", "test/index.parquet", "audio_stats.json")


@cache
def _dataset_answers() -> Files:
    return {f"answers/{path}": _answer(dataset()[path]) for path in _PATHS}


def _mirror(folder: Path) -> None:
    """Make a mirror of a dataset from a server, and open it."""
    from avsa.data.clips import open_clips
    from avsa.data.remote import fetching
    from avsa.data.remote.mirror import mirror

    fetching.RETRIES = replace(fetching.RETRIES, first_delay_s=0.0)
    server = _server()
    server.answers = {f"/set/{path}": (folder / "answers" / path).read_bytes() for path in _PATHS}
    os.environ["AVSA_CACHE"] = str(folder / "cache")  # mirrors count nowhere else
    made = mirror(f"{server.url}/set", folder / "cache", 1 << 30)
    open_clips(made, "train").close()


def _nothing_waits() -> Any:
    """Return a limiter that lets every request go at once."""

    class RateLimiter:
        def wait_turn(self, site: str) -> None: ...

    return RateLimiter()


def _ask(folder: Path) -> None:
    """Send a request as every request of a download is sent."""
    from yt_dlp.networking.exceptions import RequestError

    from yt360.crawl.failures import Unsuitable, classify
    from yt360.crawl.youtube.client import YoutubeClient
    from yt360.crawl.youtube.options import ClientOptions

    server = _server()
    server.answers = {"": (folder / "answer").read_bytes()}
    options = ClientOptions(allow_urls=(f"{server.url}/",), timeout_s=3.0)
    client = YoutubeClient(options, _nothing_waits(), threading.Event())
    try:
        with client.urlopen(f"{server.url}/media.mp4") as response:
            while response.read(1 << 16):
                pass
    except (RequestError, Unsuitable) as error:
        failure = classify(error, client.seen_errors)
        raise Unsuitable(failure.reason, failure.detail) from error


def player_answer() -> dict[str, Any]:
    """Return YouTube's answer about a 360° video with ambisonic audio."""
    picture = {
        "itag": 134, "url": "https://r1.googlevideo.com/v", "width": 640, "height": 320, "fps": 25,
        "mimeType": 'video/mp4; codecs="avc1.4d401e"', "bitrate": 500000, "contentLength": "1000",
        "projectionType": "EQUIRECTANGULAR", "qualityLabel": "360p",
    }  # fmt: skip
    audio = {
        "itag": 338, "url": "https://r1.googlevideo.com/a", "audioChannels": 4, "bitrate": 480000,
        "mimeType": 'audio/webm; codecs="opus"', "contentLength": "1000",
        "audioSampleRate": "48000", "spatialAudioType": "SPATIAL_AUDIO_TYPE_AMBISONICS_QUAD",
    }  # fmt: skip
    details = {
        "videoId": VIDEO_IDS[0], "title": "A walk", "lengthSeconds": "30", "shortDescription": "",
        "channelId": "UC" + "c" * 22, "isLiveContent": False,
    }  # fmt: skip
    return {
        "playabilityStatus": {"status": "OK"},
        "videoDetails": details,
        "streamingData": {"adaptiveFormats": [picture, audio]},
    }


def _search_answer() -> Files:
    from fake_youtube import search_page, video_renderer

    page = search_page([video_renderer(video_id) for video_id in VIDEO_IDS], None, first=True)
    return {"search.json": json.dumps(page).encode()}


def _session_of(answer: bytes) -> type[Any]:
    """Return a class of sessions whose every request gets this answer."""
    from yt_dlp.networking import Request, Response

    from yt360.crawl.youtube.client import YoutubeClient

    class FileClient(YoutubeClient):
        def __init__(self, options: Any, _: Any, stop: Any, parameters: Any, turner: Any = None):
            clients = {"youtube": {"player_client": ["visionos"], "player_skip": ["webpage"]}}
            own = {"extractor_args": clients, "extractor_retries": 0}
            super().__init__(options, _nothing_waits(), stop, {**own, **parameters}, turner)

        def send(self, request: Request) -> Response:
            return Response(io.BytesIO(answer), request.url, {"Content-Type": "application/json"})

    return FileClient


def _ask_formats(folder: Path) -> None:
    """Ask for a video's formats."""
    from yt360.crawl.rate_limit import RateLimitConfig
    from yt360.crawl.youtube.format_table import explain
    from yt360.crawl.youtube.list_formats import list_formats
    from yt360.crawl.youtube.options import ClientOptions

    client = _session_of((folder / "player.json").read_bytes())
    url = f"https://www.youtube.com/watch?v={VIDEO_IDS[0]}"
    explain(list_formats(url, ClientOptions(), threading.Event(), RateLimitConfig(), client))


def _search(folder: Path) -> None:
    """Search, and store what was found."""
    from yt360.catalog import Catalog
    from yt360.crawl.search.config import SearchConfig
    from yt360.crawl.search.run import run_search
    from yt360.retry import RetryPolicy

    client = _session_of((folder / "search.json").read_bytes())
    with Catalog(folder / "new.catalog", create=True) as opened:
        opened.listings.add("search", "concert 360")
        config = SearchConfig(max_pages=3, retry=RetryPolicy(1, 0.0), wait_s=0.0)
        report = run_search(opened, config, threading.Event(), make_client=client)
        if report.failed or report.stopped:
            raise Refused(str(report.failed or report.stopped))
        list(opened.videos.select())


def _mutate_page(draw: Random, content: bytes) -> bytes:
    if draw.random() < 0.1:
        return json.dumps(odd_value(draw), default=str).encode(errors="replace")
    return mutate_json(draw, content)


def _unsuitable() -> tuple[type[BaseException], ...]:
    from yt360.crawl.failures import Unsuitable
    from yt360.errors import BadItem, UserError

    return (UserError, BadItem, Unsuitable)


DOORS: Sequence[Door] = (
    door_of(
        "HTTP, dataset",
        _mirror,
        _dataset_answers,
        {f"answers/{path}": mutate_answer for path in _PATHS},
        fraction=0.2,
        limit_s=30.0,
    ),
    door_of(
        "HTTP, download",
        _ask,
        lambda: {"answer": _answer(b"x" * 2000, Content_Type="video/mp4")},
        {"answer": mutate_answer},
        fraction=0.2,
        limit_s=30.0,
        refusals=_unsuitable(),
    ),
    door_of(
        "answer of YouTube, player",
        _ask_formats,
        lambda: {"player.json": json.dumps(player_answer()).encode()},
        {"player.json": _mutate_page},
        fraction=0.2,
        limit_s=30.0,
    ),
    door_of(
        "answer of YouTube, search",
        _search,
        _search_answer,
        {"search.json": _mutate_page},
        fraction=0.2,
        limit_s=30.0,
    ),
)
