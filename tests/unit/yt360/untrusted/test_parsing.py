"""JSON from outside becomes values of the expected types, or one line of error."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt360.untrusted.names import FileName
from yt360.untrusted.parsing import Count, Seconds, parse_fields, parse_json, read_json


@dataclass(frozen=True, kw_only=True)
class Item:
    name: FileName
    count: Count = 0
    length_s: Seconds = 0.0


def test_values_of_the_expected_types_pass_and_unknown_keys_are_left_out():
    parsed = parse_json('{"name": "a.tar", "count": 3, "length_s": 2, "more": [1]}', Item)
    assert parsed == Item(name="a.tar", count=3, length_s=2.0)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{}", "name"),
        ('{"name": null}', "name"),
        ('{"name": "../x"}', "name"),
        ('{"name": "a", "count": "3"}', "count"),
        ('{"name": "a", "count": true}', "count"),
        ('{"name": "a", "count": -1}', "count"),
        ('{"name": "a", "count": 1e400}', "count"),
        ('{"name": "a", "count": ' + "9" * 5000 + "}", ""),
        ('{"name": "a", "length_s": NaN}', "length_s"),
        ('{"name": "a", "length_s": Infinity}', "length_s"),
        ('["a"]', ""),
        ("\ufeff{}", ""),
        ("[" * 200_000, ""),
        ('{"name": "a"', ""),
    ],
)
def test_anything_else_is_one_line_that_says_where(text, where):
    with pytest.raises(ValueError) as caught:
        parse_json(text, Item)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).startswith(where)


def test_bytes_that_are_not_utf8_are_refused():
    with pytest.raises(ValueError):
        parse_json(b'{"name": "\xff"}', Item)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_value_error(content):
    with suppress(ValueError):
        parse_json(content, dict[str, Any])


def test_a_file_is_read_with_a_limit(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"name": "a"}')
    assert read_json(path, Item).name == "a"
    with pytest.raises(ValueError):
        read_json(path, Item, max_bytes=5)


@dataclass(frozen=True, kw_only=True)
class Box:
    item: Item
    others: tuple[Item | str, ...] = ()
    best: Item | None = None


BOX = '{"item": {"name": "a"}, "others": ["b", {"name": "c", "count": 1}], "best": null, "x": 1}'


def test_fields_are_those_that_the_text_has_of_the_dataclass():
    assert parse_fields(BOX, Box) == {
        "item": {"name": "a"},
        "others": ("b", {"name": "c", "count": 1}),
        "best": None,
    }


@pytest.mark.parametrize(
    ("good", "bad"),
    [('"a"', '"../x"'), (" 1}]", " -1}]"), ("null", "[]"), ("item", "y"), ("}", "")],
)
def test_fields_are_refused_in_the_words_for_a_value(good, bad):
    text = BOX.replace(good, bad)
    with pytest.raises(ValueError) as expected:
        parse_json(text, Box)
    with pytest.raises(ValueError) as found:
        parse_fields(text, Box)
    assert str(found.value) == str(expected.value)
