"""Static sites with one made clip, as `yt360 explore --export` writes them, for tests of the page.

The clip has one source of noise whose direction is known. Its video frames have the brightness
`frame_gray`, so a picture tells its frame.
"""

from __future__ import annotations

import http.server
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from helpers.browser import Watch
from helpers.paths import REPOSITORY
from yt360.ambisonics.transforms import encode, energy_map
from yt360.clip_codec.flac import encode_flac
from yt360.explore.security import CONTENT_SECURITY_POLICY
from yt360.randomness import keyed_generator
from yt360.sphere import direction

PAGE = REPOSITORY / "yt360" / "explore" / "page"
RATE_HZ, FPS, DURATION_S = 24000, 16, 3.0
WIDTH, HEIGHT = 320, 160
ENERGY_STEP_S, ENERGY_ROWS, ENERGY_COLUMNS = 0.25, 18, 36
SHOWN_DB = 12.0
SOURCES_DEG = [(90.0, 0.0), (-60.0, 40.0)]
"""Directions of the source of `full_site` in its two halves."""


def frame_gray(frame: int) -> int:
    """Return the brightness of a frame of the made video: neighbours differ by 40 or more."""
    return 30 + 40 * (frame % 5)


def made_clip(folder: Path, directions_deg: Sequence[tuple[float, float]], **more: Any) -> None:
    """Write a clip whose source is in one direction after another, each for the same time.

    Args:
        folder: Where to write ``clip.json``, ``video.mp4``, ``audio.flac`` and ``energy.bin``.
        directions_deg: (azimuth, elevation) of the source.
        more: Other values of ``clip.json``.
    """
    folder.mkdir(parents=True)
    ambix = _sound_field(directions_deg)
    samples = np.clip(np.rint(ambix * 32768), -32768, 32767).astype(np.int16)
    (folder / "audio.flac").write_bytes(encode_flac(samples, RATE_HZ))
    (folder / "video.mp4").write_bytes(_video())
    energy = _energy(ambix)
    (folder / "energy.bin").write_bytes(energy.tobytes())
    clip = {
        "key": "made-00000", "video_id": "made", "start_s": 0, "duration_s": DURATION_S,
        "fps": FPS, "width": WIDTH, "height": HEIGHT, "sample_rate": RATE_HZ,
        "title": "A <made> clip", "metadata": {}, "verdicts": [], "directions": [],
        "level": {"step_s": 0.1, "db": [-20.0] * round(DURATION_S * 10)},
        "energy": {
            "rows": ENERGY_ROWS, "columns": ENERGY_COLUMNS, "frames": len(energy),
            "step_s": ENERGY_STEP_S, "low_db": -SHOWN_DB, "high_db": 0.0,
        },
        "labels": None, "runs": {},
    }  # fmt: skip
    (folder / "clip.json").write_text(json.dumps(clip | more))


def full_site(folder: Path) -> None:
    """Write a site whose clip has directions, a verdict, labels, and the views of a run."""
    source = {"name": "<b>noise</b>", "azimuth_deg": 90, "elevation_deg": 0, "end_s": 1.5}
    verdict = {"name": "silent", "value": 1, "unit": "", "start_s": 1, "end_s": 2, "text": "quiet"}
    legend = [
        {"id": 1, "name": "left", "color": "#ff0000"},
        {"id": 7, "name": "right", "color": "#0000ff"},
    ]
    made_clip(
        folder / "clips" / "0", SOURCES_DEG, directions=[source], verdicts=[verdict],
        labels={"times_s": [0.0, 1.5], "legend": legend}, runs={"small": {"score": 0.4}},
    )  # fmt: skip
    clip = folder / "clips" / "0"
    classes = np.full((4, 8), 1, np.uint8)
    classes[:, 4:] = 7
    (clip / "labels").mkdir()
    for number in range(2):
        (clip / "labels" / f"{number}.png").write_bytes(label_png(classes))
    run = clip / "runs" / "0"
    run.mkdir(parents=True)
    views = []
    for number, azimuth in enumerate([90, -60]):
        (run / f"{number}.png").write_bytes(label_png(classes))
        views.append({
            "azimuth_deg": azimuth, "elevation_deg": 0, "hfov_deg": 60, "vfov_deg": 60,
            "flip": number == 1, "crop": f"{number}.png", "mel": f"{number}.png",
            "scores": [0.1, 0.5],
        })  # fmt: skip
    strength = np.zeros((18, 36), np.uint8)
    strength[8:10, 26:28] = 255  # 90 degrees to the right
    (run / "gradcam.bin").write_bytes(strength.tobytes())
    facts: dict[str, Any] = {"views": views, "gradcam": {"rows": 18, "columns": 36}}
    facts |= {"video_start_s": 1.25, "video_s": 0.5}
    (clip / "runs" / "0.json").write_text(json.dumps(facts))


def label_png(classes: NDArray[np.uint8]) -> bytes:
    """Return a label map (H, W) as a gray PNG."""
    file = io.BytesIO()
    Image.fromarray(classes, "L").save(file, "PNG")
    return file.getvalue()


@contextmanager
def viewer_page(
    browser: Any, site: Path, size: tuple[int, int] = (420, 700), **context: Any
) -> Iterator[Any]:
    """Open an empty page beside the viewer's modules.

    At the end the page must have reported no error and asked no other server for anything.
    """
    with (
        served(site) as address,
        browser.new_context(viewport=_size(size), **context) as opened,
    ):
        page = opened.new_page()
        page.set_default_timeout(60_000)
        watch = Watch(page, address)
        page.goto(address)
        yield page
        assert watch.errors == []
        assert watch.foreign == []


def show(page: Any, run: int | None = None, clip: int = 0) -> dict[str, float]:
    """Show a clip in a viewer, which becomes ``viewer`` in the page; returns what it measured.

    The states that the viewer reports are appended to ``states``.
    """
    measured: dict[str, float] = page.evaluate(SHOW, [f"clips/{clip}/", run])
    return measured


SHOW = """async ([base, run]) => {
    const { createViewer } = await import("/static/viewer/viewer.js");
    const place = document.getElementById("place");
    place.style.height = "680px";
    if (!window.viewer) {
        window.states = [];
        window.viewer = createViewer(place, { onState: (state) => states.push(state) });
    }
    const clip = await (await fetch(`${base}clip.json`)).json();
    await viewer.show({ base, clip, run });
    return viewer.measure();
}"""


def _size(size: tuple[int, int]) -> dict[str, int]:
    return {"width": size[0], "height": size[1]}


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve the page's modules and a site's ``clips/``; yields the address of an empty page."""
    handler = partial(_Handler, site=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
    _EMPTY = (
        b"<!doctype html><html lang=en data-theme=dark><title>viewer</title>"
        b"<meta name=viewport content='width=device-width, initial-scale=1'>"
        b'<link rel=icon href="data:,"><link rel=stylesheet href=static/style/base.css>'
        b"<link rel=stylesheet href=static/style/viewer.css>"
        b"<div id=place></div>"
    )

    def __init__(self, *args: Any, site: Path) -> None:
        self.site = site
        super().__init__(*args)

    def translate_path(self, path: str) -> str:
        root = PAGE if path.startswith("/static/") else self.site
        return str(root / path.split("?")[0].lstrip("/"))

    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self._EMPTY)))
        self.end_headers()
        self.wfile.write(self._EMPTY)
        return None

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        pass


def _sound_field(directions_deg: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    count = round(DURATION_S * RATE_HZ)
    noise = 0.1 * keyed_generator(0, "viewer").standard_normal(count)
    part = np.minimum(np.arange(count) * len(directions_deg) // count, len(directions_deg) - 1)
    degrees = torch.deg2rad(torch.tensor(directions_deg, dtype=torch.float64))
    vectors = direction(degrees[:, 0], degrees[:, 1])[torch.from_numpy(part)]
    return encode(torch.from_numpy(noise), vectors).float().numpy()


def _energy(ambix: NDArray[np.float32]) -> NDArray[np.uint8]:
    step = round(ENERGY_STEP_S * RATE_HZ)
    steps = torch.from_numpy(ambix).double().reshape(4, -1, step).transpose(0, 1)
    power = energy_map(steps, ENERGY_ROWS, ENERGY_COLUMNS).numpy()
    level_db = 10 * np.log10(power / power.max((1, 2), keepdims=True))
    return np.floor(255 * np.clip(1 + level_db / SHOWN_DB, 0, 1)).astype(np.uint8)


def _video() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "20", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 8
        for frame in range(round(DURATION_S * FPS)):
            image = np.full((HEIGHT, WIDTH, 3), frame_gray(frame), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()
