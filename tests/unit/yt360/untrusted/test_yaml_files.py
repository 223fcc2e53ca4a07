"""Plain values of YAML 1.2, and no key twice."""

from __future__ import annotations

import io
import os

import pytest

from yt360.untrusted.yaml_files import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_VALUES,
    load_yaml,
    read_yaml,
    write_yaml,
)


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


def doubled(times: int, first: str, following: str) -> str:
    """Return lines of which each refers to the one before nine times."""
    lines = [f"a0: &a0 {first}"]
    lines += [
        f"a{n}: &a{n} {following.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, times)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (doubled(10, "[x, x]", "[{}]"), f"more than {MAX_VALUES} values"),
        (doubled(10, "{b: x}", "{{<<: [{}]}}"), f"more than {MAX_VALUES} values"),
        ("[" + "a," * (MAX_VALUES + 1) + "]", f"more than {MAX_VALUES} values"),
        ("[" * 100_000, f"more than {MAX_DEPTH} values in each other"),
        ("{a: " * 50_000, f"more than {MAX_DEPTH} values in each other"),
        ("- " * 50_000, f"more than {MAX_DEPTH} values in each other"),
        ("#" * (MAX_CHARACTERS + 1), f"{MAX_CHARACTERS} are allowed"),
        ("&a [*a]", "stands for a value around it"),
        ("a: &x {b: *x}", "stands for a value around it"),
        ("&a {<<: *a}", "stands for a value around it"),
        ("!!timestamp x", "could not determine a constructor"),
        ("!!binary AAAA", "could not determine a constructor"),
        ("!!set {a}", "could not determine a constructor"),
        ("!!python/name:os.system x", "could not determine a constructor"),
        ("!!bool maybe", "does not fit its tag"),
        ("!!float '1:30'", "does not fit its tag"),
        ("!!int [1]", "expected a scalar"),
        ("!!int '" + "9" * 5000 + "'", "does not fit its tag"),
        ("? [1]\n: 2", "a key is a mapping or a list"),
        ("a: [\nb: ]c", "line 2, column"),
        ("'\ud800'", "unacceptable character"),
    ],
)
def test_bombs_and_odd_values_are_refused_in_one_short_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_yaml(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_no_directive_brings_yaml_1_1_back():
    assert load_yaml("%YAML 1.1\n---\n[no, 010, 1:30, 2020-01-01, 0x10]") == [
        "no", 10, "1:30", "2020-01-01", 16,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        {"b": [1, -2.5, 1e-30, None, True], "a": {"x": "on", "y": "1e-4", "z": "null"}},
        {"text": "two\nlines: #no", "empty": [], "none": {}, "number": "010", "date": "2020-01-01"},
    ],
)
def test_what_is_written_reads_back_in_its_order(value):
    file = io.StringIO()
    write_yaml(value, file)
    again = load_yaml(file.getvalue())
    assert again == value and list(again) == list(value)


def test_aliases_and_tags_of_plain_values_may_be_used():
    assert load_yaml("{a: &x [1, 2], b: [*x, *x]}")["b"] == [[1, 2], [1, 2]]
    assert load_yaml("[!!str 1, !!float 1, !!int '7', !!null '', !!bool true]") == [
        "1", 1.0, 7, None, True,
    ]  # fmt: skip


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "latin1.yaml").write_bytes(b"a: \xe9")
    for name, message in (("fifo", "FIFO"), ("zero", "device"), ("latin1", "utf-8")):
        with pytest.raises(ValueError, match=message):
            read_yaml(tmp_path / f"{name}.yaml")
    (tmp_path / "long.yaml").write_text("#" * (MAX_CHARACTERS + 1))
    with pytest.raises(ValueError, match="are allowed"):
        read_yaml(tmp_path / "long.yaml")
