"""What axe-core finds: names, roles, contrast, order of focus."""

import pytest
from helpers.accessibility import problems
from helpers.explore_site import Site, left_out, row

STEPS = {
    "the list": ("", None),
    "filters that are set": (
        "#filter=split:test&filter=level_db=-30..&sort=-key&q=walk",
        None,
    ),
    "the shelf": ("#shelf=out", None),
    "a clip": ("#clip=video0001-00000", None),
    "the help": ("#clip=video0001-00000", "?"),
    "what to compare with": ("#clip=video0001-00000", "c"),
}


@pytest.mark.parametrize("colors", ["light", "dark"])
def test_axe_finds_nothing(opened, colors):
    clips = [row(i) for i in range(9)]
    site = Site(clips, [left_out(0, "silence")], options={"runs": ["first", "second"]})
    page = opened(site, color_scheme=colors)
    for name, (hash_, key) in STEPS.items():
        page.goto(page.url.split("#")[0] + (hash_ or "#"))
        if "clip=" in hash_:
            page.wait_for_selector(".facts")
        if key:
            page.keyboard.press(key)
        assert problems(page) == [], name
        if key:
            page.keyboard.press("Escape")
