"""Draw the looping picture of `yt360 explore` in use (README.md), from synthetic scenes.

python tools/draw_explore.py docs/images/explore.webp

Needs Chromium: Debian's package chromium, or the one that YT360_CHROMIUM names.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT, SHOWN_WIDTH = 1200, 750, 880
QUALITY = 60
CLIP = 2
"""Number of the clip that is played."""
LOADING_MS, SETTLING_MS = 3000, 400
SIGNED = "ada"
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--autoplay-policy=no-user-gesture-required",
]


class Film:
    """Frames with their durations, taken from a page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames = list[Image.Image]()
        self._durations_ms = list[int]()

    def take(self, duration_ms: int) -> None:
        """Append what the page shows now."""
        image = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")
        size = (SHOWN_WIDTH, round(SHOWN_WIDTH * HEIGHT / WIDTH))
        self._frames.append(image.resize(size, Image.Resampling.LANCZOS))
        self._durations_ms.append(duration_ms)

    def save(self, path: Path) -> None:
        """Write an animation that repeats forever."""
        self._frames[0].save(
            path,
            "WEBP",
            save_all=True,
            append_images=self._frames[1:],
            duration=self._durations_ms,
            loop=0,
            quality=QUALITY,
            method=4,
        )


def make_dataset(folder: Path) -> tuple[Path, Path]:
    """Render scenes, build shards from them and label these; return the scenes and the dataset."""
    media, built = folder / "media", folder / "scenes"
    scenes = ["--videos", "10", "--seed", "5", "--preset", "easy", "--duration-s", "6"]
    scenes += ["--size", "960x480", "--set", "sources=2", "--set", "flashing_fraction=1"]
    _run("scenes", str(media), *scenes)
    form = ["--clip-s", "6", "--height", "480", "--crf", "20", "--group-by", "video"]
    _run("build-shards", str(media), "--out", str(built), *form)
    truth = ["--segmenter", "truth", "--scenes", str(media), "--views", "panorama"]
    _run("pseudolabel", str(built), *truth)
    return media, built


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "yt360", *arguments], check=True)


@contextmanager
def served(media: Path, dataset: Path) -> Iterator[str]:
    """Run the page's server; gives its link."""
    options = ["--directions", str(media), "--no-browser", "--port", "0"]
    command = [sys.executable, "-m", "yt360", "explore", str(dataset), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LOGNAME": SIGNED}
    ) as server:
        assert server.stdout is not None
        try:
            lines = iter(server.stdout.readline, "")
            yield next(line.split()[0] for line in lines if line.startswith("http"))
        finally:
            server.terminate()


def play(page: Page, film: Film) -> None:
    """Use the page: the list, a clip, turning, labels, a decision."""
    page.wait_for_selector(".card img.there")
    pictures = page.locator(".card img:not(.there)")
    while pictures.count():
        page.wait_for_timeout(200)
    film.take(1400)
    card = page.locator(".card").nth(CLIP)
    card.hover()
    film.take(500)
    card.click()
    page.wait_for_selector(".facts")
    page.wait_for_timeout(LOADING_MS)
    film.take(800)
    for step in range(24):
        page.keyboard.press("ArrowLeft" if step < 14 else "ArrowRight")
        page.keyboard.press(".")
        page.keyboard.press(".")
        if step in (14, 20):
            page.keyboard.press("b")  # the layer of labels, on and off
        page.wait_for_timeout(SETTLING_MS)
        film.take(130)
    page.keyboard.press("y")
    page.wait_for_selector(".history li")
    film.take(1300)
    page.keyboard.press("Escape")
    page.wait_for_timeout(SETTLING_MS)
    film.take(900)


def main() -> None:
    """Draw the picture into the file that the command line names."""
    chromium = os.environ.get("YT360_CHROMIUM") or shutil.which("chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        served(*make_dataset(Path(folder))) as link,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark")
        page.goto(link)
        film = Film(page)
        play(page, film)
        browser.close()
    film.save(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
