"""Names with markup are text; values of a wrong kind and broken members do no harm."""

import json
from urllib.parse import quote

import pytest
from helpers.browser import wait_until
from helpers.explore_site import Site, row

MARKUP = '<img src=x onerror="window.pwned = 1"><b>bold</b>'
KEYS = ("a&b=c#d%2F", "__proto__", "ключ 🔑", '"><script>window.pwned=1</script>', " ")


def test_names_are_text_everywhere(opened):
    texts = {"title": MARKUP, "video": MARKUP, "channel": MARKUP}
    clips = [row(i, key=key, **texts) for i, key in enumerate(KEYS)]
    page = opened(Site(clips, options={"title": MARKUP}))
    assert page.locator("#title").inner_text() == MARKUP
    assert page.locator(".name").first.inner_text() == MARKUP
    assert page.get_by_role("checkbox", name=MARKUP).is_visible()
    for key in KEYS:
        page.goto(page.url.split("#")[0] + "#clip=" + quote(key, safe=""))
        wait_until(page, "key => document.querySelector('.key').textContent === key", arg=key)
    assert page.locator("h2", has_text=MARKUP).is_visible()
    assert page.locator("b", has_text="bold").count() == 0
    assert page.evaluate("window.pwned") is None


def test_values_of_a_wrong_kind_are_unknown(opened):
    wrong = {"level_db": "loud", "classes": 7, "split": 99, "duration_s": None, "title": {"a": 1}}
    page = opened(Site([row(0, **wrong), row(1), {"key": "only-a-key", "state": 0}]))
    assert page.locator(".cell").count() == 3
    assert page.locator(".tag", has_text="loud").count() == 0


def test_a_list_shorter_than_promised_shows_what_there_is(opened):
    page = opened(Site([row(i) for i in range(3)], options={"clips": 5}))
    assert page.locator(".cell").first.get_attribute("aria-setsize") == "3"


def test_a_broken_member_is_told_in_its_place_and_the_next_clip_works(opened):
    site = Site([row(0), row(1)], answers={"clips/0/clip.json": b"{ half"})
    page = opened(site, "#clip=video0000-00000")
    page.wait_for_selector(".pane .notice >> text=This clip cannot be shown.")
    page.keyboard.press("j")
    page.wait_for_selector(".viewer-place >> text=clips/1/")


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"clips": "many", "columns": []}'])
def test_a_list_that_cannot_be_read_is_told(opened, content):
    page = opened(Site(answers={"api/site.json": content}))
    assert page.get_by_role("alert").inner_text().startswith("The list could not be loaded.")


def test_a_link_to_an_unknown_clip_says_so_and_shows_the_list(opened):
    page = opened(Site([row(0)]), "#clip=nothing")
    page.wait_for_selector(".toast >> text=There is no clip nothing here.")
    assert page.locator(".cell").count() == 1


def test_a_link_that_compares_with_an_unknown_clip_says_so_and_shows_the_other(opened):
    page = opened(Site([row(0)]), "#clip=video0000-00000&compare=nothing")
    page.wait_for_selector(".toast >> text=There is no clip nothing to compare with.")
    page.wait_for_selector(".viewer-place >> text=clips/0/")


def test_nested_metadata_is_listed_by_path(opened):
    clip = {"key": "a", "metadata": {"camera": {"lens": {"name": "<b>wide</b>"}}, "tags": ["x"]}}
    site = Site([row(0)], answers={"clips/0/clip.json": json.dumps(clip).encode()})
    page = opened(site, "#clip=video0000-00000")
    page.wait_for_selector(".facts >> text=camera.lens.name")
    assert page.get_by_text("<b>wide</b>").is_visible()
