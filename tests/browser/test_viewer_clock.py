"""The video follows the clock of the sound, with fakes for both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.viewer_site import viewer_page

# A context and a video whose clocks advance by hand, and a player between them. The video runs
# faster than it is told by a factor, starts late, and takes a while to seek.
FAKES = """
const { Player } = await import("/static/viewer/player.js");
class Context extends EventTarget {
    state = "running"; currentTime = 5; outputLatency = 0.02;
    resume() { return Promise.resolve(); }
}
class Video extends EventTarget {
    at = 0; playbackRate = 1; paused = true; seeking = false; ended = false; clock = 1; seeks = 0;
    get currentTime() { return this.at; }
    set currentTime(to) {
        this.target = to; this.seeking = true; this.left = 0.05; this.seeks += 1;
        if (this.instant) this.land();
    }
    land() {
        this.at = this.target; this.seeking = false;
        queueMicrotask(() => this.dispatchEvent(new Event("seeked")));
    }
    play() { this.paused = false; return Promise.resolve(); }
    pause() { this.paused = true; }
    advance(step) {
        if (this.seeking) { this.left -= step; if (this.left <= 0) this.land(); return; }
        if (!this.paused) this.at = Math.min(3, this.at + step * this.playbackRate * this.clock);
    }
}
const context = new Context(), video = new Video();
let milliseconds = 0;
const player = new Player({ context, video, output: null, now: () => milliseconds });
player.load({ duration: 3, fps: 16 });
video.instant = true;
player.setVideoReady(true);
await player.play();
video.instant = false;
const advance = async (seconds) => {
    const drifts = [];
    for (let i = 0; i < Math.round(seconds * 60); i += 1) {
        context.currentTime += 1 / 60; milliseconds += 1000 / 60;
        video.advance(1 / 60);
        await Promise.resolve();
        player.tick();
        drifts.push(Math.abs(video.currentTime - player.time()));
    }
    return drifts;
};
const worst = (drifts, fromSecond) => Math.max(...drifts.slice(Math.round(fromSecond * 60)));
"""


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with viewer_page(browser, Path(tmp_path_factory.mktemp("site"))) as opened:
        yield opened


def run(page: Any, body: str) -> Any:
    return page.evaluate(f"async () => {{ {FAKES} {body} }}")


def test_a_video_that_runs_too_fast_stays_within_20_ms(page):
    drift = run(page, "video.clock = 1.03; return worst(await advance(2.5), 0.5);")
    assert drift < 0.02


def test_a_video_that_starts_late_catches_up_without_a_seek(page):
    drift, seeks = run(
        page, "video.at -= 0.12; return [worst(await advance(2.5), 1), video.seeks - 1];"
    )
    assert drift < 0.02
    assert seeks == 0


def test_a_video_that_is_far_off_seeks(page):
    drift, seeks = run(
        page, "video.at += 0.8; return [worst(await advance(2), 1), video.seeks - 1];"
    )
    assert drift < 0.02
    assert seeks >= 1


def test_after_a_repetition_the_video_is_with_the_sound_again(page):
    time, drift = run(
        page, "const all = await advance(4.5); return [player.time(), worst(all, 4)];"
    )
    assert time == pytest.approx(4.5 - 3, abs=0.06)
    assert drift < 0.02


def test_the_speed_is_that_of_sound_and_video(page):
    time, drift = run(
        page,
        "player.setSpeed(0.5); const all = await advance(2);return [player.time(), worst(all, 1)];",
    )
    assert time == pytest.approx(1, abs=0.06)
    assert drift < 0.02


def test_what_is_heard_is_later_than_what_is_rendered_by_the_latency_of_the_output(page):
    """The picture waits for a slow output, such as wireless headphones."""
    late = run(page, "await advance(1); return player.time();")
    assert late == pytest.approx(1, abs=0.06)
    jump = run(
        page,
        """await advance(0.5); const before = player.time(); context.outputLatency += 0.2;
        return before - player.time();""",
    )
    assert jump == pytest.approx(0.2, abs=1e-6)


def test_without_repetition_it_stops_at_the_end_and_starts_again_from_the_beginning(page):
    states = run(
        page,
        """player.setLoop(false); await advance(4);
        const stopped = [player.playing, player.time()];
        video.instant = true;
        await player.play();
        return [...stopped, player.time()];""",
    )
    assert states[:2] == [False, 3]
    assert states[2] == pytest.approx(0, abs=0.01)


def test_following_another_player_moves_without_a_pause(page):
    time, playing = run(
        page, "await advance(0.5); player.follow(2); return [player.time(), player.running];"
    )
    assert time == pytest.approx(2, abs=0.01)
    assert playing


def test_a_browser_that_allows_no_sound_yet_does_not_play(page):
    outcome = run(
        page,
        """player.pause(); context.state = "suspended";
        return [await player.play(), player.playing];""",
    )
    assert outcome == [False, False]
