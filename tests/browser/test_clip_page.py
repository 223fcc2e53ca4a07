"""A clip of the page: opening, links, keys, comparing, colours and small screens."""

import pytest
from helpers.browser import wait_until
from helpers.explore_site import Site, row


@pytest.fixture(scope="module")
def walks():
    """Nine clips, with two runs."""
    return Site([row(i) for i in range(9)], options={"runs": ["first", "second"]})


def shown(page, number=0):
    return page.locator(".viewer-place").nth(number).inner_text()


def test_the_keyboard_alone_opens_steps_and_returns_to_the_card(opened, walks):
    page = opened(walks)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link that skips to the clips
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".viewer-place >> text=clips/1/ 0 yaw 0")
    page.keyboard.press("j")
    page.wait_for_selector(".viewer-place >> text=clips/2/")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").get_by_text("Play or pause").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press(" ")
    assert page.evaluate("viewers[0].state().playing") is True
    page.keyboard.press("Escape")
    wait_until(page, "document.activeElement.dataset.key === 'video0000-00020'")
    assert page.evaluate("viewers[0].state().playing") is False


def test_a_link_opens_the_clip_at_its_moment_and_direction(opened, walks):
    page = opened(walks, "#clip=video0001-00000&t=2.5&yaw=-90&pitch=20&fov=60&run=second")
    page.wait_for_selector(".viewer-place >> text=clips/3/ 1 yaw -90 t 2.5")
    page.evaluate("viewers[0].turn(45)")
    wait_until(page, "location.hash.includes('yaw=45')")
    page.go_back()  # turning is no step of the history
    wait_until(page, "!location.hash.includes('clip')")


def test_compared_clips_move_in_step_and_a_link_keeps_them(opened, walks):
    page = opened(walks, "#clip=video0000-00000&run=first")
    page.wait_for_selector(".viewer-place >> text=clips/0/ 0")
    page.keyboard.press("c")
    page.get_by_role("dialog").get_by_role("button", name="second").click()
    wait_until(page, "window.viewers.length === 2")
    assert page.locator(".viewer-place").nth(1).get_attribute("data-muted") == "true"
    page.evaluate("viewers[0].turn(30)")
    assert shown(page, 1).startswith("clips/0/ 1 yaw 30")
    page.evaluate("viewers[1].turn(-60)")
    assert shown(page, 0).startswith("clips/0/ 0 yaw -60")
    wait_until(page, "location.hash.includes('run2=second')")
    page.reload()
    wait_until(page, "window.viewers?.length === 2")
    page.keyboard.press("c")
    wait_until(page, "window.viewers.length === 1")


def test_a_thousand_clips_need_one_viewer(opened, walks):
    page = opened(walks, "#clip=video0000-00000")
    for number in range(1, 9):
        page.keyboard.press("j")
        page.wait_for_selector(f".viewer-place >> text=clips/{number}/")
    assert page.evaluate("viewers.length") == 1


def test_colours_follow_the_system_until_the_user_chooses(opened, walks):
    page = opened(walks, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(15, 20, 24)"
    page.keyboard.press("d")
    assert page.evaluate(paper) == "rgb(245, 246, 248)"
    page.reload()
    page.wait_for_selector("html[data-theme=light]")


def test_a_small_screen_scrolls_in_one_direction_and_keeps_the_filters_at_hand(opened, walks):
    page = opened(walks, size=(340, 640), has_touch=True)
    wide = "document.querySelector('{}').scrollWidth > innerWidth"
    assert not page.evaluate(wide.format("html")) and not page.evaluate(wide.format(".cards"))
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("checkbox", name="test 1").check()
    page.get_by_role("button", name="Filters").click()
    page.wait_for_selector(".found >> text=1 of 9")
    page.locator(".card").first.click()
    page.wait_for_selector(".viewer-place >> text=clips/4/")
    assert not page.evaluate(wide.format(".clip"))
