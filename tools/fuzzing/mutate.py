"""Changing bytes, texts and JSON-like values at random, towards what breaks readers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

HOSTILE = (
    "", ".", "..", "../../victim/file", "/etc/passwd", "//host/share", "C:\\x", "a/b", "a\\b", "-x",
    "\x00", "a\x00b", "\x1b[2J\x1b]0;owned\x07", "\r\n\r\n", "\u202egpj.exe", "\u2028", "\ud800",
    "con", "nul.txt", ".hidden", "x" * 300, "x" * 70_000, "é" * 120, "😀", "%s%n", "$(id)", "`id`",
    "' OR 1=1 --", "<script>", "file:///dev/zero", "/dev/zero", "/dev/stdin", "null", "NaN",
    "1e999", "-0", "0x10", "9" * 5000, "١٢", "²", "1_000", "True", "\ufeff", "{{}}",
)  # fmt: skip
"""Texts that have broken readers of many programs."""
_INTEGERS = (
    0, 1, -1, 2, 7, 127, 128, 255, 256, 4095, 32767, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1,
    2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63), 10**14, 10**30,
)  # fmt: skip
_MARKS = (b"\x00", b"\xff", b"\x1b[2J", b"\n", b'"', b"{", b"[", b"<", b"../", b"\xed\xa0\x80")


class Pairs(list[tuple[str, Any]]):
    """An object of JSON as pairs, in which a key may stand twice."""


class Raw(str):
    """A piece of text that stands in the output as it is."""


def mutate_bytes(draw: Random, content: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Return `content` with one to five changes."""
    changed = bytearray(content)
    for _ in range(_few(draw)):
        draw.choice(_BYTE_CHANGES)(draw, changed)
    if others and draw.random() < 0.05:
        other = draw.choice(others)
        cut, place = draw.randrange(len(other) + 1), draw.randrange(len(changed) + 1)
        changed[place:] = other[cut:]
    return bytes(changed)


def mutate_text(draw: Random, text: str) -> str:
    """Return `text` with one to five changes of characters, numbers, words or lines."""
    for _ in range(_few(draw)):
        text = draw.choice(_TEXT_CHANGES)(draw, text)
    return text


def mutate_value(draw: Random, value: Any) -> Any:
    """Return a JSON-like value with one to five changes; write it with `to_json`."""
    value = _copy(value)
    for _ in range(_few(draw)):
        value = _change_somewhere(draw, value)
    return value


def odd_value(draw: Random) -> Any:
    """Return a value that a reader may not expect, of any type."""
    return draw.choice(
        (
            lambda: None,
            lambda: draw.random() < 0.5,
            lambda: draw.choice(_INTEGERS),
            lambda: draw.choice((0.5, -0.0, 1e308, 5e-324, -1.5)),
            lambda: Raw(draw.choice(("NaN", "Infinity", "-Infinity", "1e999", "1" * 6000))),
            lambda: draw.choice(HOSTILE),
            lambda: draw.choice(HOSTILE),
            lambda: [],
            lambda: {},
            lambda: [odd_value(draw)],
            lambda: {draw.choice(HOSTILE): odd_value(draw)},
            lambda: _nested(draw),
            lambda: Raw("[" + "0," * draw.choice((1, 10, 20_000)) + "0]"),
        )
    )()


def to_json(value: Any) -> bytes:
    """Return JSON text, with keys that stand twice and raw pieces as they are."""
    return _written(value).encode("utf-8", "surrogatepass")


def mutate_json(draw: Random, content: bytes) -> bytes:
    """Return JSON text changed in its values, or sometimes in its bytes."""
    if draw.random() < 0.15:
        return mutate_bytes(draw, content)
    return to_json(mutate_value(draw, json.loads(content)))


def _nested(draw: Random) -> Raw:
    depth = draw.choice((50, 300, 1000, 100_000))
    begin, end = draw.choice((("[", "]"), ('{"a":', "}")))
    return Raw(begin * depth + "1" + end * depth)


def _few(draw: Random) -> int:
    return draw.choice((1, 1, 1, 2, 2, 3, 5))


# Bytes


def _place(draw: Random, size: int) -> int:
    """Return a position; most are near the start or the end, where headers and indexes are."""
    if not size:
        return 0
    near = min(size, 1024)
    return draw.choice(
        (
            draw.randrange(near),
            draw.randrange(near),
            draw.randrange(size - near, size),
            draw.randrange(size),
        )
    )


def _flip(draw: Random, content: bytearray) -> None:
    if content:
        content[_place(draw, len(content))] ^= 1 << draw.randrange(8)


def _set_byte(draw: Random, content: bytearray) -> None:
    if content:
        content[_place(draw, len(content))] = draw.choice(
            (0, 1, 127, 128, 255, draw.randrange(256))
        )


def _insert(draw: Random, content: bytearray) -> None:
    place = _place(draw, len(content) + 1)
    content[place:place] = draw.choice((draw.choice(_MARKS), draw.randbytes(draw.randint(1, 16))))


def _delete(draw: Random, content: bytearray) -> None:
    place = _place(draw, len(content) + 1)
    del content[place : place + draw.choice((1, 2, 4, 8, 100, 512))]


def _repeat(draw: Random, content: bytearray) -> None:
    place, size = _place(draw, len(content) + 1), draw.choice((1, 8, 64, 512))
    content[place:place] = content[place : place + size] * draw.choice((1, 2, 50))


def _truncate(draw: Random, content: bytearray) -> None:
    del content[draw.randrange(len(content) + 1) :]


def _write_integer(draw: Random, content: bytearray) -> None:
    form = draw.choice(("B", ">H", "<H", ">I", "<I", ">I", ">Q", "<Q"))
    size = struct.calcsize(form)
    if len(content) >= size:
        value = draw.choice(_INTEGERS) % (1 << 8 * size)
        struct.pack_into(form, content, _place(draw, len(content) - size + 1), value)


def _swap(draw: Random, content: bytearray) -> None:
    size = draw.choice((1, 4, 16, 512))
    if len(content) >= 2 * size:
        one, other = (_place(draw, len(content) - size + 1) for _ in range(2))
        first = content[one : one + size]
        content[one : one + size] = content[other : other + size]
        content[other : other + size] = first


_BYTE_CHANGES: tuple[Callable[[Random, bytearray], None], ...] = (
    _flip, _flip, _set_byte, _insert, _delete, _repeat, _truncate, _write_integer, _write_integer,
    _write_integer, _swap,
)  # fmt: skip


# Texts


def _replace_character(draw: Random, text: str) -> str:
    place = draw.randrange(len(text) + 1)
    return (
        text[:place]
        + draw.choice("\x00\x1b\n\t\r\"'{}[]:,#&*!|>%@`\\/.-0 \ud800é")
        + text[place + 1 :]
    )


def _replace_word(draw: Random, text: str) -> str:
    words = text.split(" ")
    words[draw.randrange(len(words))] = draw.choice(HOSTILE)
    return " ".join(words)


def _insert_text(draw: Random, text: str) -> str:
    place = draw.randrange(len(text) + 1)
    return text[:place] + draw.choice(HOSTILE) + text[place:]


def _replace_digits(draw: Random, text: str) -> str:
    places = [place for place, each in enumerate(text) if each.isdigit()]
    if not places:
        return text
    place = draw.choice(places)
    return text[:place] + str(draw.choice(_INTEGERS)) + text[place + 1 :]


def _change_lines(draw: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    change = draw.randrange(4)
    if change == 0:
        lines.insert(other, lines[one])
    elif change == 1:
        del lines[one]
    elif change == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines[one] = "  " + lines[one]
    return "".join(lines)


def _cut_text(draw: Random, text: str) -> str:
    return text[: draw.randrange(len(text) + 1)]


_TEXT_CHANGES: tuple[Callable[[Random, str], str], ...] = (
    _replace_character, _replace_character, _replace_word, _insert_text, _replace_digits,
    _change_lines, _change_lines, _cut_text,
)  # fmt: skip


# Values


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _change_somewhere(draw: Random, value: Any) -> Any:
    """Change a value, or one of those inside it."""
    inner = isinstance(value, dict | list) and len(value) > 0
    if not inner or draw.random() < 0.15:
        return _change(draw, value)
    if isinstance(value, Pairs):
        place = draw.randrange(len(value))
        key, item = value[place]
        value[place] = key, _change_somewhere(draw, item)
        return value
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw.choice(keys)
    value[key] = _change_somewhere(draw, value[key])
    return value


def _change(draw: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and draw.random() < 0.8:
        return _change_object(draw, value)
    if isinstance(value, list) and value and draw.random() < 0.6:
        return _change_list(draw, value)
    if isinstance(value, str) and draw.random() < 0.4:
        return mutate_text(draw, value)
    if isinstance(value, int) and not isinstance(value, bool) and draw.random() < 0.5:
        return draw.choice((draw.choice(_INTEGERS), -value, value + 1, float(value), str(value)))
    return odd_value(draw)


def _change_object(draw: Random, value: dict[str, Any]) -> Any:
    key = draw.choice(list(value))
    change = draw.randrange(5)
    if change == 0:
        return {name: item for name, item in value.items() if name != key}
    if change == 1:
        return Pairs([*value.items(), (key, odd_value(draw))])
    if change == 2:
        return {**value, draw.choice(HOSTILE): odd_value(draw)}
    if change == 3:
        return {**value, key: value[draw.choice(list(value))]}
    return {draw.choice(HOSTILE) if name == key else name: item for name, item in value.items()}


def _change_list(draw: Random, value: list[Any]) -> Any:
    place = draw.randrange(len(value))
    change = draw.randrange(4)
    if change == 0:
        return value[:place] + value[place + 1 :]
    if change == 1:
        return [*value, odd_value(draw)]
    if change == 2:
        return [*value, value[place]]
    return value[::-1]


def _written(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict | Pairs):
        pairs = value.items() if isinstance(value, dict) else value
        return "{" + ",".join(f"{json.dumps(key)}:{_written(item)}" for key, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)
