"""The viewer by touch, and full screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from helpers.browser import wait_until
from helpers.viewer_pictures import directions_of, state
from helpers.viewer_site import show, viewer_page

from yt360.sphere import angle_between


def is_at(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether directions differ by less than two pixels or so."""
    return math.degrees(angle_between(one, other)) < 1


class Fingers:
    """Fingers on the picture, moved by Chromium's protocol as a touch screen would."""

    def __init__(self, page: Any) -> None:
        self._session = page.context.new_cdp_session(page)
        self.box = page.locator(".vw-surface").bounding_box()

    def touch(self, kind: str, *points: tuple[float, float], first: int = 0) -> None:
        """Send an event of fingers, numbered from `first`, by pixels from the corner."""
        moved = [
            {"x": self.box["x"] + x, "y": self.box["y"] + y, "id": number}
            for number, (x, y) in enumerate(points, start=first)
        ]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": moved})

    def under(self, view: dict[str, Any], x: float, y: float) -> torch.Tensor:
        """Return the direction that is seen at a pixel."""
        image = np.zeros((int(self.box["height"]), int(self.box["width"]), 3))
        return directions_of(image, view)[int(y), int(x)]


def settled(page: Any, is_right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until a state is right, since Chromium passes touches on with the next frame."""
    for _ in range(300):
        found = state(page)
        if is_right(found):
            return found
        page.wait_for_timeout(20)
    raise AssertionError(f"the viewer stays at {found}")


@pytest.fixture
def phone(browser: Any, viewer_site: Any) -> Iterator[Any]:
    """Return a page with a touch screen and a clip, in a place that can be scrolled."""
    with viewer_page(browser, viewer_site, has_touch=True, is_mobile=True) as page:
        page.evaluate("document.body.style.minHeight = '3000px'")
        show(page)
        page.evaluate("viewer.setState({ yaw: 30, pitch: 10, fov: 90 })")
        yield page


def test_a_finger_drags_what_it_touches(phone):
    fingers = Fingers(phone)
    start, end = (250, 240), (150, 160)
    grasped = fingers.under(state(phone), *start)
    fingers.touch("touchStart", start)
    for share in (0.25, 0.5, 0.75, 1):
        x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
        fingers.touch("touchMove", (x, y))
    fingers.touch("touchEnd")
    after = settled(phone, lambda view: is_at(grasped, fingers.under(view, *end)))
    assert after["yaw"] < 25 and after["fov"] == pytest.approx(90)
    assert phone.evaluate("scrollY") == 0  # the page stays while the picture turns


def test_two_fingers_zoom_and_the_one_that_stays_drags_on_without_a_jump(phone):
    fingers = Fingers(phone)
    fingers.touch("touchStart", (180, 90))
    fingers.touch("touchStart", (180, 90), (220, 90))
    for half in (30, 45, 60):
        fingers.touch("touchMove", (200 - half, 90), (200 + half, 90))
    # The picture grows as the fingers part: its plane shrinks by the ratio of their distances.
    zoomed_deg = math.degrees(2 * math.atan(20 / 60 * math.tan(math.radians(45))))
    zoomed = settled(phone, lambda view: abs(view["fov"] - zoomed_deg) < 0.5)
    fingers.touch("touchEnd", (260, 90), first=1)
    phone.wait_for_timeout(100)
    assert state(phone)["yaw"] == pytest.approx(zoomed["yaw"], abs=0.01)
    grasped = fingers.under(zoomed, 140, 90)
    fingers.touch("touchMove", (160, 130))
    fingers.touch("touchEnd")
    after = settled(phone, lambda view: is_at(grasped, fingers.under(view, 160, 130)))
    assert after["fov"] == pytest.approx(zoomed["fov"])
    assert phone.evaluate("visualViewport.scale") == 1  # the page itself is not enlarged


def test_a_finger_on_the_time_line_seeks(phone):
    box = phone.get_by_role("slider", name="Time").bounding_box()
    phone.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    wait_until(phone, "Math.abs(viewer.state().t - 1.5) < 0.1")


def test_full_screen_fills_the_screen_with_the_viewer_and_ends_where_it_was(own_page):
    page = own_page
    show(page)
    page.evaluate("addEventListener('keydown', (event) => viewer.handleKey(event))")
    before = page.locator(".vw-surface").bounding_box()
    page.get_by_role("button", name="Full screen").click()
    wait_until(page, "document.fullscreenElement === viewer.root")
    wait_until(page, "viewer.root.getBoundingClientRect().height >= innerHeight - 1")
    large = page.locator(".vw-surface").bounding_box()
    assert large["width"] >= before["width"] and large["height"] > before["height"]
    assert page.get_by_role("slider", name="Time").is_visible()
    assert page.evaluate("viewer.stage.canvas.width") >= large["width"] - 1
    page.keyboard.press("f")
    wait_until(page, "document.fullscreenElement === null")
    assert page.locator(".vw-surface").bounding_box() == before
