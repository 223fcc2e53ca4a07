"""The viewer in a browser: picture, playing, layers, keys, broken clips."""

from __future__ import annotations

import io
import json
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.browser import wait_until
from helpers.viewer_site import (
    DURATION_S,
    FPS,
    SHOW,
    frame_gray,
    label_png,
    made_clip,
    show,
    viewer_page,
)
from PIL import Image

from yt360.sphere import angle_between, direction, equirect_grid, view_grid

MEASURED = logging.getLogger("viewer")
"""What cannot be asserted on any machine; ``--log-cli-level=INFO`` prints it."""
FIRST = ("firstFrameMs", "firstSoundMs")
SOURCES_DEG = [(90.0, 0.0), (-60.0, 40.0)]
"""Directions of the made clip's source in its two halves."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(tmp_path_factory.mktemp("site"))
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
    return folder


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    with viewer_page(browser, site) as opened:
        yield opened


def state(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("viewer.state()")
    return found


def picture(page: Any, settings: dict[str, Any], layers: list[str]) -> np.ndarray:
    """Return the drawn picture (H, W, 3) with only some layers."""
    page.evaluate(
        """async ([settings, layers]) => {
            for (const name of Object.keys(viewer.controls.state)) {
                viewer.controls.set(name, layers.includes(name));
            }
            await viewer.setState(settings);
            viewer.stage.start.hidden = true;
            viewer.stage.root.querySelectorAll(".vw-stage-buttons, .vw-corner, .vw-readout")
                .forEach((each) => { each.style.visibility = "hidden"; });
            // Two frames: the first one may fetch label maps.
            for (let i = 0; i < 2; i += 1) {
                await new Promise((done) => setTimeout(done, 50));
                await Promise.race([
                    new Promise(requestAnimationFrame),
                    new Promise((done) => setTimeout(done, 3000)),
                ]);
            }
        }""",
        [settings, layers],
    )
    png = page.locator(".vw-surface").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int64)


def inner(image: np.ndarray) -> np.ndarray:
    """Return a picture with a black margin, since it has round corners beside white paper."""
    margin = 16
    framed = np.zeros_like(image)
    within = (slice(margin, -margin), slice(margin, -margin))
    framed[within] = image[within]
    return framed


def directions_of(image: np.ndarray, view: dict[str, Any]) -> torch.Tensor:
    """Return what the pixels of a picture look at (H, W, 3), by Python's projections."""
    height, width = image.shape[:2]
    if view.get("mode") == "flat":
        rows = width // 2
        grid = equirect_grid(rows, width, dtype=torch.float64)
        above = (height - rows) // 2
        padded = torch.zeros(height, width, 3, dtype=torch.float64)
        padded[above : above + rows] = grid
        return padded
    yaw, pitch, fov = (math.radians(view[name]) for name in ("yaw", "pitch", "fov"))
    return view_grid(
        *(torch.tensor(each, dtype=torch.float64) for each in (yaw, pitch, fov)), height, width
    )


@pytest.mark.parametrize(
    ("settings", "source"),
    [
        ({"t": 0.5, "yaw": 70, "pitch": 15, "fov": 90, "mode": "sphere"}, 0),
        ({"t": 2.5, "yaw": -90, "pitch": 60, "fov": 80, "mode": "sphere"}, 1),
        ({"t": 2.5, "mode": "flat"}, 1),
    ],
)
def test_the_hottest_pixel_is_where_the_source_is(page, settings, source):
    show(page)
    image = inner(picture(page, settings, ["energy"]))
    # Green rises with the energy; the video is gray, and the view's frame white.
    green = np.where(image[..., 0] > image[..., 2] + 30, image[..., 1], 0)
    row, column = np.unravel_index(green.argmax(), green.shape)
    where = directions_of(image, settings)[row, column]
    truth = direction(*torch.deg2rad(torch.tensor(SOURCES_DEG[source], dtype=torch.float64)))
    assert math.degrees(angle_between(where, truth)) < 12  # pixels of the energy have 10 degrees


def test_labels_are_where_their_classes_are(page):
    """Class 1 fills the left half of the panorama, class 7 the right one."""
    show(page)
    settings = {"t": 0.5, "yaw": 0, "pitch": 80, "fov": 100, "mode": "sphere"}
    image = picture(page, settings, ["labels"])
    left = directions_of(image, settings)[..., 1].numpy()
    red, blue = image[..., 0] > image[..., 2] + 50, image[..., 2] > image[..., 0] + 50
    sure = np.abs(left) > 0.05
    sure[:16], sure[-16:] = False, False  # the picture has round corners
    assert red[sure & (left > 0)].all()
    assert blue[sure & (left < 0)].all()
    page.get_by_role("button", name="left", exact=True).click()
    hidden = picture(page, settings, ["labels"])
    assert np.ptp(hidden[sure & (left > 0)], axis=-1).max() < 10


def test_everything_is_drawn_again_after_a_lost_context(page):
    """A graphics driver may take the canvas away, as after a sleep."""
    show(page)
    settings = {"t": 0.5, "yaw": 0, "pitch": 10, "fov": 100, "mode": "sphere"}
    before = picture(page, settings, ["labels", "energy"])
    page.evaluate("""() => {
        window.loss = viewer.renderer.gl.getExtension("WEBGL_lose_context");
        loss.loseContext();
    }""")
    wait_until(page, "viewer.renderer.lost")
    page.evaluate("loss.restoreContext()")
    wait_until(page, "!viewer.renderer.lost")
    after = picture(page, settings, ["labels", "energy"])
    assert np.abs(after - before).max() < 4
    assert np.ptp(inner(after)[40:-40, 40:-40], axis=(0, 1)).max() > 60


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


def test_keys_turn_zoom_play_and_switch(page):
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


def test_the_views_of_a_run_are_shown_and_lead_to_where_they_look(page):
    show(page, run=0)
    views = page.get_by_role("list", name="Views of the run").get_by_role("button")
    assert views.count() == 2
    assert "best match: sound of view 2" in views.nth(0).inner_text()
    assert "matches its own sound" in views.nth(1).inner_text()
    views.nth(1).click()
    assert state(page)["yaw"] == pytest.approx(-60)
    wait_until(page, "viewer.state().t === 1.25")  # the time that the views show


def test_grad_cam_is_where_the_run_sees_what_it_hears(page):
    show(page, run=0)
    settings = {"t": 0.5, "yaw": -80, "pitch": 10, "fov": 90, "mode": "sphere"}
    image = picture(page, settings, ["cam"])
    greener = inner(image)[..., 1] - inner(image)[..., 0]
    row, column = np.unravel_index(greener.argmax(), greener.shape)
    where = directions_of(image, settings)[row, column]
    truth = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    assert math.degrees(angle_between(where, truth)) < 12


def test_names_are_text_and_never_markup(page):
    show(page)
    page.evaluate("viewer.setState({ yaw: 90 })")
    label = page.locator(".vw-surface").get_attribute("aria-label")
    assert "A <made> clip" in label
    assert page.locator(".vw-root b, made").count() == 0


def test_a_clip_with_broken_members_says_so_and_the_next_one_is_shown(page, site):
    broken = site / "clips" / "1"
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


def test_a_clip_of_unknown_length_has_that_of_its_video(page, site):
    unknown = site / "clips" / "2"
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


def test_a_slow_layer_keeps_no_other_one_waiting(page):
    """The views of a run are computed on demand, which takes seconds."""
    page.route("**/runs/0.json", lambda _: None)
    page.evaluate(f"({SHOW})(['clips/0/', 0]); 0")
    wait_until(page, "window.viewer?.layers.energy && viewer.measure().firstFrameMs > 0")
    assert page.get_by_role("checkbox", name="Sound energy").is_visible()
    assert not page.get_by_role("checkbox", name="Grad-CAM").is_visible()


def test_many_clips_hold_no_more_than_one(page):
    """Each clip's video is freed when the next one is shown, even while it still loads."""
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
