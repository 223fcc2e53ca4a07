"""The viewer in a browser: playing, turning, keys, broken clips, freeing what it holds."""

from __future__ import annotations

import logging
import math
import time

import numpy as np
import pytest
import torch
from helpers.browser import wait_until
from helpers.viewer_pictures import directions_of, picture, state
from helpers.viewer_site import DURATION_S, FPS, frame_gray, made_clip, show

from yt360.sphere import angle_between

MEASURED = logging.getLogger("viewer")
"""What cannot be asserted on any machine; ``--log-cli-level=INFO`` prints it."""
FIRST = ("firstFrameMs", "firstSoundMs")


def test_a_step_shows_the_next_frame(page):
    show(page)
    grays = []
    for frame in range(4):
        image = picture(page, {"mode": "sphere"}, [])
        grays.append(float(np.median(image)))
        assert state(page)["t"] == pytest.approx(frame / FPS, abs=1e-6)
        page.evaluate("viewer.step(1)")
    assert grays == pytest.approx([frame_gray(frame) for frame in range(4)], abs=8)
    page.evaluate("viewer.step(-1)")
    assert state(page)["t"] == pytest.approx(3 / FPS, abs=1e-6)


def test_playing_moves_on_with_the_video_at_the_sound(page):
    measured = show(page)
    assert page.evaluate("viewer.play()")
    wait_until(
        page,
        """() => {
            const { driftMs, worstDriftMs } = viewer.measure();
            window.near = worstDriftMs > 0 && Math.abs(driftMs) < 20 ? (window.near ?? 0) + 1 : 0;
            return window.near >= 5;
        }""",
    )
    after = page.evaluate("viewer.measure()")
    assert state(page)["playing"]
    page.evaluate("viewer.pause()")
    assert page.evaluate("states.length") > 2
    paused = state(page)
    time.sleep(0.2)
    assert state(page)["t"] == paused["t"]
    MEASURED.info("first frame %.0f ms, sound %.0f ms", *(measured[each] for each in FIRST))
    MEASURED.info("drift %.1f ms, most %.1f ms", after["driftMs"], after["worstDriftMs"])


def test_a_turn_draws_every_frame_that_the_display_shows(page):
    show(page)
    drawn, frames, seconds = page.evaluate(
        """async () => {
            const before = viewer.measure().rendered, start = performance.now();
            let frames = 0;
            while (performance.now() - start < 1000) {
                viewer.act.turnBy(0.2, 0);
                await new Promise(requestAnimationFrame);
                frames += 1;
            }
            return [viewer.measure().rendered - before, frames, (performance.now() - start) / 1000];
        }"""
    )
    MEASURED.info("a turn: %.0f frames/s of %.0f", drawn / seconds, frames / seconds)
    assert drawn >= frames - 1


def test_dragging_keeps_the_grasped_point_under_the_pointer(page):
    show(page)
    page.evaluate("viewer.setState({ yaw: 30, pitch: 20, fov: 90 })")
    box = page.locator(".vw-surface").bounding_box()

    def under(x: float, y: float) -> torch.Tensor:
        view = state(page)
        image = np.zeros((int(box["height"]), int(box["width"]), 3))
        return directions_of(image, view)[int(y), int(x)]

    start, end = (280, 260), (200, 190)
    grasped = under(*start)
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=4)
    page.mouse.up()
    assert math.degrees(angle_between(grasped, under(*end))) < 1.5
    assert state(page)["yaw"] < 30  # the picture moved to the left, so one looks further right
    before = state(page)["fov"]
    page.mouse.wheel(0, -200)
    wait_until(page, f"viewer.state().fov < {before}")


def test_keys_turn_zoom_play_and_switch(own_page):
    page = own_page
    show(page)
    page.evaluate("addEventListener('keydown', (event) => viewer.handleKey(event))")
    page.locator(".vw-surface").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    turned = state(page)
    assert turned["yaw"] > 0
    assert turned["pitch"] > 0
    page.keyboard.press("+")
    assert state(page)["fov"] < turned["fov"]
    page.keyboard.press("0")
    assert (state(page)["yaw"], state(page)["pitch"]) == (0, 0)
    page.keyboard.press("v")
    assert state(page)["mode"] == "flat"
    page.keyboard.press("a")
    assert state(page)["sound"] == "mono"
    page.keyboard.press("m")
    assert state(page)["muted"]
    page.keyboard.press(".")
    wait_until(page, f"viewer.state().t > {0.5 / FPS}")
    page.get_by_role("slider", name="Time").focus()
    page.keyboard.press("End")
    wait_until(page, "viewer.state().t === 3")
    assert state(page)["yaw"] == 0  # an arrow on the time line seeks and does not turn
    page.keyboard.press("ArrowLeft")
    wait_until(page, "viewer.state().t === 2")
    assert state(page)["yaw"] == 0


def test_a_state_that_is_set_is_not_reported(page):
    show(page)
    page.evaluate("viewer.setState({ t: 1, yaw: 200, pitch: -10, fov: 60, mode: 'flat' })")
    assert page.evaluate("states") == []
    found = state(page)
    assert found["t"] == pytest.approx(1, abs=1e-6)
    assert found["yaw"] == pytest.approx(-160)
    assert (found["pitch"], found["fov"]) == pytest.approx((-10, 60))
    page.get_by_role("button", name="Sphere").click()
    assert page.evaluate("states.at(-1).mode") == "sphere"


def test_names_are_text_and_never_markup(page):
    show(page)
    page.evaluate("viewer.setState({ yaw: 90 })")
    label = page.locator(".vw-surface").get_attribute("aria-label")
    assert "A <made> clip" in label
    assert page.locator(".vw-root b, made").count() == 0


def test_a_clip_with_broken_members_says_so_and_the_next_one_is_shown(page, viewer_site):
    broken = viewer_site / "clips" / "1"
    if not broken.exists():
        made_clip(broken, [(0, 0)], key="broken-00000")
        (broken / "video.mp4").write_bytes(b"no video")
        (broken / "audio.flac").write_bytes(b"no sound")
        (broken / "energy.bin").unlink()
    show(page, clip=1)
    said = page.get_by_role("status").inner_text()
    assert "The video does not play" in said
    assert "The sound does not decode" in said
    assert "HTTP 404" in said
    show(page, clip=0)
    assert page.get_by_role("status").count() == 0
    assert page.evaluate("viewer.measure().firstFrameMs") > 0


def test_a_clip_of_unknown_length_has_that_of_its_video(page, viewer_site):
    unknown = viewer_site / "clips" / "2"
    if not unknown.exists():
        made_clip(unknown, [(0, 0)], duration_s=None, fps=None, level=None)
    show(page, clip=2)
    time_line = page.get_by_role("slider", name="Time")
    assert float(time_line.get_attribute("aria-valuemax")) == pytest.approx(DURATION_S, abs=0.01)
    page.evaluate("viewer.setState({ t: 2 })")
    assert state(page)["t"] == pytest.approx(2)


def test_a_viewer_that_is_disposed_leaves_nothing_behind(page):
    show(page)
    page.evaluate("viewer.play().then(() => viewer.dispose())")
    assert page.locator("#place *").count() == 0


def test_many_clips_hold_no_more_than_one(own_page):
    """Each clip's video is freed when the next one is shown, even while it still loads."""
    page = own_page
    page.evaluate("""() => {
        window.held = new Set();
        const { createObjectURL, revokeObjectURL } = URL;
        URL.createObjectURL = (blob) => {
            const url = createObjectURL(blob);
            held.add(url);
            return url;
        };
        URL.revokeObjectURL = (url) => { held.delete(url); revokeObjectURL(url); };
    }""")
    show(page)
    elements = page.locator("#place *").count()
    page.evaluate(
        """async () => {
            const clip = await (await fetch("clips/0/clip.json")).json();
            for (let i = 0; i < 6; i += 1) {
                const shown = viewer.show({ base: "clips/0/", clip });
                if (i % 2) await shown;
            }
        }"""
    )
    wait_until(page, "held.size === 1")
    assert page.locator("#place *").count() == elements
    page.evaluate("viewer.dispose()")
    assert page.evaluate("held.size") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_viewer(page, theme):
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    show(page, run=0)
    page.evaluate("viewer.controls.set('labels', true)")
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = Axe().run(page, context="#place", options=options).response["violations"]
    problems = [
        (each["id"], node["html"], node["failureSummary"])
        for each in found
        for node in each["nodes"]
    ]
    assert problems == []
