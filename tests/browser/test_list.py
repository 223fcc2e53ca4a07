"""The list of the page: cards, filters, search, order, shelf, and very long lists."""

import json

import pytest
from helpers.browser import wait_until
from helpers.explore_site import COLUMNS, Site, left_out, row


def names(page):
    """Keys of the cards in sight, in the order of the list."""
    cells = page.eval_on_selector_all(
        ".cell", "cells => cells.map(c => [Number(c.ariaPosInSet), c.firstChild.dataset.key])"
    )
    return [key for _, key in sorted(cells)]


def found(page):
    return int(page.locator(".cell").first.get_attribute("aria-setsize"))


@pytest.fixture(scope="module")
def walks():
    """Thirty clips, and three that were left out."""
    reasons = ("silence", "still image", "silence")
    return Site([row(i) for i in range(30)], [left_out(i, text) for i, text in enumerate(reasons)])


def test_filters_narrow_the_list_count_what_is_left_and_survive_a_reload(opened, walks):
    page = opened(walks)
    assert found(page) == 30
    page.get_by_role("checkbox", name="test 6").check()
    page.wait_for_selector(".found >> text=6 of 30")
    assert page.get_by_role("checkbox", name="train 24").is_visible()  # its own filter aside
    page.get_by_label("Level from").fill("-20")
    page.get_by_label("Level from").press("Enter")
    page.wait_for_selector(".found >> text=2 of 30")
    expected = [one["key"] for one in walks.clips if one["split"] == 1 and one["level_db"] >= -20]
    assert names(page) == expected
    page.reload()
    page.wait_for_selector(".found >> text=2 of 30")
    assert names(page) == expected
    page.get_by_role("button", name="Remove Split: test").click()
    page.wait_for_selector(".found >> text=10 of 30")
    page.get_by_role("button", name="Clear all").click()
    wait_until(page, "document.querySelector('.cell').ariaSetSize === '30'")


def test_a_set_can_ask_for_any_or_for_all_of_its_values(opened, walks):
    page = opened(walks, "#filter=classes:person&filter=classes:car")
    any_of = [one["key"] for one in walks.clips if {0, 1} & set(one["classes"])]
    assert found(page) == len(any_of)
    page.get_by_role("button", name="a clip must have all").click()
    all_of = [one["key"] for one in walks.clips if {0, 1} <= set(one["classes"])]
    page.wait_for_selector(f".found >> text={len(all_of)} of 30")
    assert names(page) == all_of
    assert "classes%26person" in page.url


def test_search_finds_every_word_anywhere_in_a_row(opened, walks):
    page = opened(walks)
    page.keyboard.press("/")
    page.keyboard.type("ben 00020")
    expected = [
        one["key"] for one in walks.clips if one["channel"] == "Ben" and one["start_s"] == 20
    ]
    page.wait_for_selector(f".found >> text={len(expected)} of 30")
    assert names(page) == expected
    page.keyboard.press("Escape")
    wait_until(page, "document.querySelector('.cell').ariaSetSize === '30'")


def test_enter_does_not_wait_for_the_search_and_the_opened_clip_stays_open(opened, walks):
    page = opened(walks)
    page.keyboard.press("/")
    # One task of the page: nothing waits for the timer of the search between the keys.
    page.evaluate(
        """() => {
          const press = () => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
          const search = document.getElementById("search");
          search.value = "ben 00020";
          search.dispatchEvent(new InputEvent("input"));
          press();
          document.activeElement.click();
        }"""
    )
    first = next(
        one["key"] for one in walks.clips if one["channel"] == "Ben" and one["start_s"] == 20
    )
    page.wait_for_timeout(400)
    assert f"clip={first}" in page.url
    assert page.locator("#clip").is_visible()


def test_order_by_a_number_puts_the_unknown_last_either_way(opened, walks):
    page = opened(walks, "#sort=-agreement", size=(1000, 4000))
    known = [one for one in walks.clips if one["agreement"] is not None]
    unknown = [one["key"] for one in walks.clips if one["agreement"] is None]
    greatest = [one["key"] for one in sorted(known, key=lambda one: -one["agreement"])]
    assert names(page) == greatest + unknown
    page.get_by_role("button", name="Greatest first").click()
    page.wait_for_selector("button[aria-label='Least first']")
    least = [one["key"] for one in sorted(known, key=lambda one: one["agreement"])]
    assert names(page) == least + unknown


def test_the_shelf_shows_what_was_left_out_and_why(opened, walks):
    page = opened(walks)
    page.keyboard.press("e")
    wait_until(page, "document.querySelector('.cell').ariaSetSize === '3'")
    assert page.locator(".tag.reason").all_inner_texts() == ["silence", "still image", "silence"]
    page.get_by_role("checkbox", name="silence 2").check()
    page.wait_for_selector(".found >> text=2 of 3")


def test_cards_show_scores_as_they_are_computed_and_the_list_is_filtered_and_sorted_by_them(opened):
    score = {"name": "score a/small", "title": "Score", "type": "number", "role": "score"}
    site = Site(
        [row(i) for i in range(6)],
        options={"columns": [*COLUMNS, score], "live_scores": True, "runs": ["a/small"]},
    )
    parts = iter([([5, 0], [-0.25, 0.5], False), ([3], [0.125], True)])

    def next_scores():
        rows, values, is_last = next(parts)
        state = {"next": 3 if is_last else 2, "done": 3, "total": 6, "complete": is_last}
        return json.dumps({**state, "scores": {score["name"]: [rows, values]}}).encode()

    site.answers["api/scores.json"] = next_scores
    page = opened(site, "#sort=-score a/small")
    page.wait_for_selector(".tag.sorted >> text=score 0.125")
    keys = [one["key"] for one in site.clips]
    assert names(page) == [keys[n] for n in (0, 3, 5, 1, 2, 4)]
    page.get_by_label("Score from").fill("0.1")
    page.get_by_label("Score from").press("Enter")
    page.wait_for_selector(".found >> text=2 of 6")
    page.get_by_label("Sort by").select_option("level_db")
    assert page.locator(".tag.score").all_inner_texts() == ["score 0.125", "score 0.5"]
    page.locator(".card").first.click()
    page.wait_for_selector(".pairs >> text=0.125")


def test_what_a_dataset_left_out_has_no_pictures_to_ask_for(opened, walks):
    page = opened(walks)
    asked = []
    page.on("request", lambda request: asked.append(request.url.split("/", 3)[-1]))
    page.keyboard.press("e")
    page.wait_for_selector(".tag.reason")
    page.wait_for_timeout(300)
    assert [address for address in asked if address.startswith("clips/")] == []


ROWS = 1_000_000


def test_a_million_clips_scroll_with_a_screen_of_cards(opened):
    columns = [column for column in COLUMNS if column["name"] in ("key", "title", "level_db")]
    rows = [row(i) for i in range(10_000)]
    chunk = json.dumps({c["name"]: [one[c["name"]] for one in rows] for c in columns}).encode()
    site = Site(options={"clips": ROWS, "columns": columns})
    site.answers = {f"api/clips/{k}.json": chunk for k in range(ROWS // 10_000)}
    for number in ("0", "999999"):
        site.answers[f"clips/{number}/thumbnail.jpg"] = b""
    page = opened(site)
    wait_until(page, f"document.querySelector('.cell').ariaSetSize === '{ROWS}'")
    page.locator(".card").first.focus()
    page.keyboard.press("End")
    wait_until(page, f"document.activeElement.parentElement.ariaPosInSet === '{ROWS}'")
    assert page.locator(".cell").count() < 60
    before = page.locator(".card:focus").bounding_box()["y"]
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -100)  # one notch moves as far as in a short list
    wait_until(
        page, f"Math.abs(document.activeElement.getBoundingClientRect().y - {before} - 100) < 2"
    )
    page.evaluate("document.getElementById('cards').scrollTop = 4e6")  # the bar, dragged half way
    wait_until(
        page, f"Math.abs(document.querySelector('.cell').ariaPosInSet - {ROWS / 2}) < {ROWS / 50}"
    )
    page.keyboard.press("/")
    page.keyboard.type("video0001-00010")
    page.wait_for_selector(f".found >> text=100 of {ROWS:,}")
