"""Text from outside comes out as one line of visible characters."""

from __future__ import annotations

import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from yt360.terminal.text import (
    columns,
    counted,
    json_text,
    markdown_code,
    plot_text,
    printable,
    shortened,
    table,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Surrogates, too."""


def is_visible(text):
    return all(each.isprintable() or unicodedata.category(each) == "Zs" for each in text)


@given(ANY_TEXT)
def test_nothing_that_acts_hides_or_breaks_the_line_is_left(text):
    shown = printable(text)
    assert is_visible(shown)
    shown.encode("utf-8")
    assert printable(shown) == shown


@given(ANY_TEXT)
def test_visible_text_stays_as_it_is(text):
    visible = "".join(filter(is_visible, text))
    assert printable(visible) == visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("one\ntwo\r\tthree\x07", r"one\ntwo\r\tthree\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("gpj\u202e.exe", r"gpj\u202e.exe"),
        ("a\u2028b\u200bc\ufeff", r"a\u2028b\u200bc\ufeff"),
        ("caf\udce9.mp4", r"caf\xe9.mp4"),
        ("half \ud83d", r"half \ud83d"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("全天球\u3000動画 360°", "全天球\u3000動画 360°"),
    ],
)
def test_escapes_are_those_of_python_and_bytes_of_names_stay_bytes(text, shown):
    assert printable(text) == shown


@given(st.recursive(ANY_TEXT | st.integers(), lambda inner: st.dictionaries(ANY_TEXT, inner)))
def test_json_keeps_every_value_and_shows_no_control_character(value):
    for indent in (None, 2):
        text = json_text(value, indent)
        assert json.loads(text) == json.loads(json.dumps(value))
        assert all(map(is_visible, text.split("\n")))
        assert indent or "\n" not in text


def test_wide_characters_and_combining_marks_keep_tables_aligned():
    rows = [["title", "n"], ["日本", 1], ["e\u0301te\u0301", 2], ["a\nb", 3]]
    lines = table(rows)
    assert lines == ["title  n", "日本   1", "e\u0301te\u0301    2", r"a\nb   3"]
    assert table(rows, left=0)[1] == " 日本  1"


@given(st.text("abc"))
def test_ascii_takes_a_column_a_character(text):
    assert columns(text) == len(text)


@given(ANY_TEXT, st.integers(10, 50))
def test_long_text_keeps_its_beginning_and_end(text, most):
    short = shortened(text, most)
    assert len(short) <= most
    assert short == text or (text.startswith(short[:2]) and text.endswith(short[-2:]))


@pytest.mark.parametrize("text", ["from $5 to $6", r"$\frac{1}{", "a\x1b$b", "plain", "$", r"\\$"])
def test_pictures_show_text_as_it_is(text):
    figure = Figure()
    label = figure.text(0.5, 0.5, plot_text(text))
    shown, is_formula = label._preprocess_math(label.get_text())
    assert not is_formula and shown == printable(text)
    figure.savefig(io.BytesIO())


@pytest.mark.parametrize("text", ["plain", "<b>`code`</b>", "``", "a`", "line\nbreak"])
def test_markdown_code_holds_text_whatever_it_is(text):
    code = markdown_code(text)
    fence = re.match("`+", code)[0]
    assert code.endswith(fence) and fence not in code[len(fence) : -len(fence)]
    assert code[len(fence) : -len(fence)].strip(" ") == printable(text)


def test_one_thing_is_singular():
    assert [counted(number, "clip") for number in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
