"""The layers of the viewer are where they belong: energy, labels, Grad-CAM, views."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers.browser import wait_until
from helpers.viewer_pictures import directions_of, inner, picture, state
from helpers.viewer_site import SHOW, SOURCES_DEG, show

from yt360.sphere import angle_between, direction


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


def test_a_slow_layer_keeps_no_other_one_waiting(own_page):
    """The views of a run are computed on demand, which takes seconds."""
    page = own_page
    page.route("**/runs/0.json", lambda _: None)
    page.evaluate(f"({SHOW})(['clips/0/', 0]); 0")
    wait_until(page, "window.viewer?.layers.energy && viewer.measure().firstFrameMs > 0")
    assert page.get_by_role("checkbox", name="Audio energy").is_visible()
    assert not page.get_by_role("checkbox", name="Grad-CAM").is_visible()
