"""The architecture page names places that exist."""

import re

import pytest
from helpers.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`((?:avsa|yt360|shards)/[\w./]+)`", PAGE)))


@pytest.mark.parametrize("place", PLACES)
def test_every_place_on_the_page_exists(place):
    assert (REPOSITORY / place).exists()


def test_every_room_is_on_the_page():
    for package in ("avsa", "yt360"):
        section = PAGE.split(f"## {package}\n")[1].split("## ")[0]
        rooms = {path.parent.name for path in (REPOSITORY / package).glob("*/__init__.py")}
        assert rooms - {"commands"} <= set(re.findall(r"`(\w+)/`", section))
