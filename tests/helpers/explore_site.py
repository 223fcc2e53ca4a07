"""The page of ``yt360 explore`` over a made-up list, served on loopback from memory.

Answers are bytes or functions without arguments, so that a test can serve a million rows, broken
members or a viewer of its own without writing files.
"""

from __future__ import annotations

import io
import json
import mimetypes
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image

from helpers.paths import REPOSITORY
from yt360.explore.security import CONTENT_SECURITY_POLICY

PAGE = REPOSITORY / "yt360" / "explore" / "page"
CLASSES = ("person", "car", "dog", "tree", "sky", "water", "building", "road")
CHANNELS = ("Ada", "Ben", "Chen", "Dora")

Answer = bytes | Callable[[], bytes]

COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "key", "title": "Key", "type": "text"},
    {"name": "title", "title": "Title", "type": "text"},
    {"name": "video", "title": "Video", "type": "text"},
    {"name": "channel", "title": "Channel", "type": "category"},
    {"name": "split", "title": "Split", "type": "category", "values": ["train", "test"]},
    {"name": "start_s", "title": "Start", "type": "number", "unit": "s"},
    {"name": "duration_s", "title": "Duration", "type": "number", "unit": "s"},
    {"name": "level_db", "title": "Level", "type": "number", "unit": "dB"},
    {"name": "classes", "title": "Classes", "type": "set", "values": list(CLASSES)},
    {"name": "agreement", "title": "Agreement of audio and video", "type": "number"},
    {"name": "state", "title": "State", "type": "category", "values": ["in", "left out"]},
    {"name": "reason", "title": "Reason", "type": "category"},
)


def row(number: int, **changes: Any) -> dict[str, Any]:
    """Return one row of the list; rows differ and repeat after a while."""
    video = f"video{number // 3:04d}"
    start = 10 * (number % 3)
    return {
        "key": f"{video}-{start:05d}",
        "title": f"A walk, part {number // 3}",
        "video": video,
        "channel": CHANNELS[number // 3 % len(CHANNELS)],
        "split": int(number % 5 == 4),
        "start_s": start,
        "duration_s": 10.0,
        "level_db": -40.0 + number % 30,
        "classes": [number % len(CLASSES), (number * 3 + 1) % len(CLASSES)],
        "agreement": round(0.1 * (number % 10), 2) if number % 4 else None,
        "state": 0,
        "reason": None,
        **changes,
    }


def left_out(number: int, reason: str, **changes: Any) -> dict[str, Any]:
    """Return a row of a clip that is not in the dataset."""
    return row(number, key=f"gone{number:04d}", state=1, reason=reason, **changes)


@dataclass
class MadeUpReview:
    """Decisions in memory, by the rules of ``api/review``."""

    decisions: list[dict[str, Any]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """Return what GET answers."""
        return {"version": len(self.decisions), "decisions": self.decisions}

    def decide(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return what POST answers: status and content."""
        of_clip = [one for one in self.decisions if one["key"] == request["key"]]
        if request["seen"] != (of_clip[-1]["id"] if of_clip else None):
            return 409, {"code": "conflict", "message": "decided", "decisions": of_clip}
        if request["action"] == "undo":
            next(one for one in of_clip if one["id"] == request["id"])["undone"] = True
        names = ("key", "action", "value", "note", "who")
        return 200, self.add(**{name: request[name] for name in names})

    def add(
        self, key: str, action: str, who: str, value: Any = None, note: str = ""
    ) -> dict[str, Any]:
        """Store and return a decision."""
        made = {"key": key, "action": action, "who": who, "value": value, "note": note}
        made |= {"id": f"d{len(self.decisions)}", "when": "2026-11-30T10:12:00Z", "undone": False}
        self.decisions.append(made)
        return made


@dataclass
class Site:
    """What the page gets: the list, and answers by address beside the page's own files.

    Attributes:
        clips: Rows of the list.
        rejected: Rows of the shelf of what was left out.
        answers: Content by address without the leading slash; it precedes everything else.
        options: Further values of ``api/site.json``.
        chunk: Rows of a chunk.
        review: Decisions; None if there is nowhere to store them.
    """

    clips: Sequence[Mapping[str, Any]] = ()
    rejected: Sequence[Mapping[str, Any]] = ()
    answers: dict[str, Answer] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    chunk: int = 10_000
    review: MadeUpReview | None = None

    def site_json(self) -> dict[str, Any]:
        """Return ``api/site.json``."""
        return {
            "title": "Walks",
            "kind": "dataset",
            "clips": len(self.clips),
            "rejected": len(self.rejected),
            "chunk": self.chunk,
            "columns": list(COLUMNS),
            "can_review": self.review is not None,
            "runs": [],
            "classes": list(CLASSES),
            **self.options,
        }

    def answer(self, address: str) -> bytes | None:
        """Return the content of an address, or None if there is none."""
        if address in self.answers:
            content = self.answers[address]
            return content() if callable(content) else content
        if address == "api/review" and self.review is not None:
            return json.dumps(self.review.state()).encode()
        if address == "api/site.json":
            return json.dumps(self.site_json()).encode()
        rows = [*self.clips, *self.rejected]
        if address.startswith("api/clips/"):
            number = int(address.removeprefix("api/clips/").removesuffix(".json"))
            part = rows[number * self.chunk : (number + 1) * self.chunk]
            names = [column["name"] for column in self.site_json()["columns"]]
            return json.dumps({name: [one.get(name) for one in part] for name in names}).encode()
        if address.startswith("clips/"):
            _, index, name = address.split("/", 2)
            return _member(rows[int(index)], int(index), name) if int(index) < len(rows) else None
        path = PAGE / (address or "index.html")
        return path.read_bytes() if path.is_file() else None


def _member(values: Mapping[str, Any], index: int, name: str) -> bytes | None:
    if name == "clip.json":
        return json.dumps(
            {
                "key": values["key"],
                "video": values["video"],
                "title": values["title"],
                "start_s": values["start_s"],
                "duration_s": 10.0,
                "width": 64,
                "height": 32,
                "sample_rate": 48000,
                "media": values["state"] == 0,
                "metadata": {"license": "CC BY", "camera": "a camera"},
                "verdicts": [
                    {"name": "silence", "value": 0.02, "unit": "", "text": "The audio is audible."},
                    {"name": "still", "value": 3.5, "unit": "%", "start_s": 2.0, "end_s": 4.0},
                ],
                "directions": [{"name": "voice", "azimuth_deg": 90.0, "elevation_deg": 10.0}],
                "level": None,
                "energy": None,
                "labels": None,
                "runs": {},
            }
        ).encode()
    if values["state"] == 0 and name == "thumbnail.jpg":
        return _picture(index, (160, 320), "JPEG")
    if values["state"] == 0 and name == "strip.png":
        return _picture(index + 7, (16, 64), "PNG")
    return None


def _picture(seed: int, size: tuple[int, int], form: str) -> bytes:
    random = np.random.default_rng(seed % 24)
    small = random.integers(40, 220, (4, 8, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC).save(file, form)
    return file.getvalue()


@contextmanager
def serve(site: Site) -> Iterator[str]:
    """Serve a site on loopback; gives its address, which ends with a slash."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            address = unquote(urlsplit(self.path).path).lstrip("/")
            content = site.answer(address)
            self.reply(200 if content is not None else 404, content, address)

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if site.review is None or self.headers["X-Explore"] != "1":
                self.reply(403, b"{}", "refused.json")
                return
            status, answer = site.review.decide(content)
            self.reply(status, json.dumps(answer).encode(), "review.json")

        def reply(self, status: int, content: bytes | None, address: str) -> None:
            self.send_response(status)
            kind = mimetypes.guess_type(address or "index.html")[0] or "application/octet-stream"
            self.send_header("Content-Type", "text/javascript" if address.endswith(".js") else kind)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


VIEWER = b"""
// A viewer that shows nothing: it keeps its state and says what was asked of it.
export function createViewer(element, { onState, muted = false }) {
  const state = { t: 0, yaw: 0, pitch: 0, fov: 90, playing: false, mode: "sphere" };
  const tell = () => {
    element.textContent = `${element.dataset.shown} yaw ${state.yaw} t ${state.t}`;
  };
  element.dataset.muted = String(muted);
  window.viewers = window.viewers ?? [];
  const viewer = {
    keys: [{ keys: ["Space"], does: "Play or pause" }],
    handleKey(event) {
      if (event.key !== " ") return false;
      state.playing = !state.playing;
      onState(viewer.state());
      return true;
    },
    async show({ base, run }) {
      element.dataset.shown = `${base} ${run}`;
      Object.assign(state, { t: 0, playing: false });
      tell();
    },
    state: () => ({ ...state }),
    setState(changes) { Object.assign(state, changes); tell(); },
    turn(yaw) { viewer.setState({ yaw }); onState(viewer.state()); },
    play() { state.playing = true; },
    pause() { state.playing = false; },
    dispose() { window.viewers = window.viewers.filter((one) => one !== viewer); },
  };
  window.viewers.push(viewer);
  return viewer;
}
"""
