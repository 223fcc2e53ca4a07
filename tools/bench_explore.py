"""Measure the page of `yt360 explore` in headless Chromium.

python tools/bench_explore.py shards --opened 60

Prints the time to the list, to the first picture and to the first sound of a clip, with requests
and bytes; the frames of a turn; and what many clips opened one after the other leave in memory.
Without a graphics card Chromium draws in software; a laptop draws more frames.

Needs Chromium: Debian's package chromium, or the one that YT360_CHROMIUM names.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from draw_explore import FLAGS
from playwright.sync_api import CDPSession, Page, sync_playwright

TURN_S = 3.0
PATIENCE_MS = 60_000

# Counts draws and textures of all canvases, and remembers when a card is opened.
COUNTERS = """
window.counts = { draws: 0, textures: 0 };
for (const [name, by, method] of [
  ["draws", 1, "drawArrays"], ["textures", 1, "createTexture"], ["textures", -1, "deleteTexture"],
]) {
  const original = WebGL2RenderingContext.prototype[method];
  WebGL2RenderingContext.prototype[method] = function (...values) {
    counts[name] += by;
    return original.apply(this, values);
  };
}
"""
OPEN = """async (index) => {
  const cards = [...document.querySelectorAll(".card")];
  for (const name of ["firstFrameMs", "firstSoundMs"]) performance.clearMarks(name);
  const started = performance.now();
  cards[index].click();
  const found = {};
  while (Object.keys(found).length < 2) {
    for (const name of ["firstFrameMs", "firstSoundMs"]) {
      const mark = performance.getEntriesByName(name)[0];
      if (mark) found[name] = mark.startTime - started;
    }
    await new Promise((done) => setTimeout(done, 5));
  }
  return found;
}"""
TURN = """async (seconds) => {
  const surface = document.querySelector(".vw-surface"), box = surface.getBoundingClientRect();
  const at = (name, x) => surface.dispatchEvent(new PointerEvent(name, {
    pointerId: 1, bubbles: true, clientX: box.left + x, clientY: box.top + box.height / 2,
  }));
  surface.setPointerCapture = () => {};
  at("pointerdown", box.width / 2);
  const before = counts.draws, started = performance.now(), gaps = [];
  let last = started, x = 0;
  while (performance.now() - started < 1000 * seconds) {
    x += 3;
    at("pointermove", box.width / 2 + 150 * Math.sin(x / 100));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  at("pointerup", box.width / 2);
  return { drawn: counts.draws - before, seconds: (last - started) / 1000, gaps };
}"""


@dataclass
class Traffic:
    """Requests of a page and the bytes of their answers."""

    requests: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, session: CDPSession) -> Traffic:
        """Count what a page loads from now on."""
        traffic = cls()

        def finished(event: dict[str, Any]) -> None:
            traffic.requests += 1
            traffic.bytes += round(event["encodedDataLength"])

        session.send("Network.enable")
        session.on("Network.loadingFinished", finished)
        return traffic

    def take(self) -> str:
        """Return the counts since the last call, and start anew."""
        text = f"{self.requests} requests, {self.bytes / 1e3:.0f} kB"
        self.requests = self.bytes = 0
        return text


@contextmanager
def served(place: Path) -> Iterator[str]:
    """Run the page's server; gives its link."""
    command = [sys.executable, "-m", "yt360", "explore", str(place), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            lines = iter(server.stdout.readline, "")
            yield next(line.split()[0] for line in lines if line.startswith("http"))
        finally:
            server.terminate()


def measure_start(page: Page, link: str, traffic: Traffic) -> None:
    """Print the time to the list."""
    page.goto(link)
    page.wait_for_selector("html[data-ready]")
    ready_ms = page.evaluate("performance.now()")
    page.wait_for_selector(".card img.there")
    picture_ms = page.evaluate("performance.now()")
    page.wait_for_load_state("networkidle")
    print(f"list: {ready_ms:.0f} ms, first thumbnail {picture_ms:.0f} ms; {traffic.take()}")


def measure_clips(page: Page, count: int, traffic: Traffic) -> None:
    """Print the times to the first picture and the first sound of some clips."""
    for number in range(count):
        found = page.evaluate(OPEN, number)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        name = "first clip" if number == 0 else f"clip {number + 1}"
        picture, sound = found["firstFrameMs"], found["firstSoundMs"]
        print(f"{name}: picture {picture:.0f} ms, sound {sound:.0f} ms; {traffic.take()}")
        if number < count - 1:
            page.keyboard.press("Escape")
            page.wait_for_selector(".cell")


def measure_turn(page: Page) -> None:
    """Print the frames of a turn by dragging, while the clip rests and while it plays."""
    for state in ("paused", "playing"):
        turn = page.evaluate(TURN, TURN_S)
        gaps = sorted(turn["gaps"])
        rate, worst = turn["drawn"] / turn["seconds"], gaps[int(0.95 * len(gaps))]
        print(
            f"turn while {state}: {rate:.0f} frames/s drawn, {statistics.median(gaps):.0f} ms from "
            f"frame to frame (95 %: {worst:.0f} ms)"
        )
        page.keyboard.press(" ")
        page.wait_for_timeout(500)


def measure_memory(page: Page, session: CDPSession, opened: int) -> None:
    """Print what is held in memory while clips are opened one after the other."""
    session.send("Performance.enable")
    for number in range(opened + 1):
        if number % max(1, opened // 4) == 0:
            session.send("HeapProfiler.collectGarbage")
            page.wait_for_timeout(300)
            all_metrics = session.send("Performance.getMetrics")["metrics"]
            metrics = {each["name"]: each["value"] for each in all_metrics}
            print(
                f"{number} clips: JS heap {metrics['JSHeapUsedSize'] / 1e6:.1f} MB, "
                f"{metrics['Nodes']:.0f} nodes, {metrics['JSEventListeners']:.0f} listeners, "
                f"{page.evaluate('counts.textures')} textures, "
                f"processes {_memory_of_children() / 1e6:.0f} MB"
            )
        going_back = (number // 8) % 2
        before = page.locator(".key").inner_text()
        page.keyboard.press("k" if going_back else "j")
        page.wait_for_timeout(50)
        if page.locator(".key").inner_text() == before:
            page.keyboard.press("j" if going_back else "k")
        page.evaluate(
            """async () => {
                const started = performance.now();
                while (performance.getEntriesByName("firstSoundMs").length === 0) {
                    if (performance.now() - started > 5000) return;
                    await new Promise((done) => setTimeout(done, 10));
                }
                performance.clearMarks("firstSoundMs");
            }"""
        )


def _memory_of_children() -> int:
    """Return the proportional memory of this process's descendants that are Chromium, in bytes."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    total = 0
    for process in parents:
        ancestor = process
        while ancestor in parents and ancestor != os.getpid():
            ancestor = parents[ancestor]
        try:
            if ancestor == os.getpid() and "chrom" in Path(f"/proc/{process}/comm").read_text():
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
                total += sum(1024 * int(x.split()[1]) for x in lines if x.startswith("Pss:"))
        except OSError:
            continue
    return total


def main() -> None:
    """Measure the page with what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("place", type=Path, help="a dataset, a catalog or a folder")
    parser.add_argument("--clips", type=int, default=4, help="clips whose start is measured")
    parser.add_argument("--opened", type=int, default=60, help="clips opened to measure memory")
    options = parser.parse_args()
    chromium = os.environ.get("YT360_CHROMIUM") or shutil.which("chromium")
    with served(options.place) as link, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(COUNTERS)
        session = page.context.new_cdp_session(page)
        traffic = Traffic.of(session)
        measure_start(page, link, traffic)
        measure_clips(page, options.clips, traffic)
        measure_turn(page)
        measure_memory(page, session, options.opened)
        browser.close()


if __name__ == "__main__":
    main()
