"""Plain values of YAML 1.2, and no key twice."""

from __future__ import annotations

import pytest

from yt360.yaml_text import load_yaml


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: 2\na: 1",
        "{a: 1, a: 2}",
        "outer:\n  a: 1\n  a: 2",
        "- {a: 1}\n- {b: 1, 'b': 2}",
        "base: &base {a: 1}\nother:\n  <<: *base\n  b: 1\n  b: 2",
    ],
)
def test_a_key_that_stands_twice_is_refused(text):
    with pytest.raises(ValueError, match=r"key '[ab]' stands twice in a mapping"):
        load_yaml(text)


def test_a_key_may_change_what_is_merged_in_and_stand_in_several_mappings():
    text = "base: &base {a: 1, b: 2}\nmid: &mid {<<: *base, a: 3}\nlast: {<<: *mid, b: 4}"
    assert load_yaml(text)["last"] == {"a": 3, "b": 4}
    assert load_yaml("[{a: 1}, {a: 2}]") == [{"a": 1}, {"a": 2}]


def test_words_that_yaml_1_1_takes_for_booleans_are_words():
    assert load_yaml("{no: on, off: [yes, 1e-4, 010]}") == {"no": "on", "off": ["yes", 1e-4, 10]}
