"""Curating on the page: decisions with a name, undo, and two people at once."""

import pytest
from helpers.explore_site import MadeUpReview, Site, left_out, row

KEY = "video0000-00000"


@pytest.fixture
def site():
    """Three clips that can be reviewed."""
    layouts = {"layouts": ["ambix", "fuma"]}
    return Site([row(i) for i in range(3)], review=MadeUpReview(), options=layouts)


def pressed(page, name):
    return page.get_by_role("button", name=name, exact=True).get_attribute("aria-pressed")


def test_decisions_by_keys_are_signed_undone_and_survive_a_reload(opened, site):
    page = opened(site, f"#clip={KEY}")
    page.wait_for_selector(".viewer-place >> text=clips/0/")
    page.keyboard.press("x")  # no name yet: it is asked for
    page.get_by_role("alert").get_by_text("Type your name first").wait_for()
    page.keyboard.type("Ada")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.wait_for_selector(".history li.reject")
    page.evaluate("viewers[0].turn(33.25)")
    page.keyboard.press("o")
    page.wait_for_selector(".history li.orientation")
    page.keyboard.press("n")
    page.keyboard.type("The left is right.")
    page.keyboard.press("Enter")
    page.get_by_text("The left is right.").wait_for()
    page.get_by_label("Audio layout").select_option("fuma")
    page.wait_for_selector(".history li.layout")
    names = ("action", "value", "who", "note")
    stored = [tuple(one[name] for name in names) for one in site.review.decisions]
    assert stored == [
        ("reject", None, "Ada", ""),
        ("orientation", 33.3, "Ada", ""),
        ("note", None, "Ada", "The left is right."),
        ("layout", "fuma", "Ada", ""),
    ]
    page.reload()
    page.wait_for_selector(".history li.reject")
    assert pressed(page, "Reject") == "true"
    page.get_by_role("button", name="Undo: Ada rejected").click()
    page.wait_for_selector(".history li.reject.undone")
    assert pressed(page, "Reject") == "false"
    page.keyboard.press("Escape")
    page.get_by_role("checkbox", name="undecided 3").wait_for()


def test_a_decision_of_somebody_else_meanwhile_is_shown_before_ones_own_is_stored(opened, site):
    site.options["who"] = "Ada"
    page = opened(site, f"#clip={KEY}")
    page.wait_for_selector(".viewer-place >> text=clips/0/")
    site.review.add(KEY, "reject", "Ben")
    page.keyboard.press("y")
    page.get_by_role("alert").get_by_text("Ben decided about this clip").wait_for()
    assert [one["who"] for one in site.review.decisions] == ["Ben"]
    page.get_by_role("button", name="Store mine too").click()
    page.get_by_role("alert").get_by_text("People disagree").wait_for()
    assert [one["action"] for one in site.review.decisions] == ["reject", "keep"]
    assert pressed(page, "Keep") == "true"


def test_what_was_left_out_says_that_keeping_does_not_bring_it_back(opened, site):
    site.rejected = [left_out(0, "silence")]
    page = opened(site, "#clip=gone0000")
    note = page.get_by_text("Keeping it does not bring back")
    note.wait_for()
    page.goto(page.url.split("#")[0] + f"#clip={KEY}")
    page.wait_for_selector(".viewer-place >> text=clips/0/")
    assert note.is_hidden()


def test_nothing_offers_a_review_where_none_can_be_stored(opened, site):
    site.review = None
    page = opened(site, f"#clip={KEY}")
    page.wait_for_selector(".facts")
    assert page.locator(".review").count() == 0
    page.keyboard.press("?")
    assert page.get_by_role("dialog").get_by_text("Reject").count() == 0
