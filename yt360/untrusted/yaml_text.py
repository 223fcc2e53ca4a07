"""YAML 1.2 with PyYAML, which speaks 1.1, within limits.

There 1e-4 is a text, on, off and no are booleans, 010 is 8, 1:30 is 90, and 2020-01-01 a date; and
of a key that stands twice in a mapping, the last one silently wins. Here that is an error. Recipes
and lists of words come from others: a text of a line can stand for more values than memory holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from yt360.terminal.text import shortened
from yt360.untrusted.files import read_limited

MAX_CHARACTERS = 256 << 10
"""Of a text; the longest recipe of the package has 3,000."""
MAX_VALUES = 20_000
"""Of a text, with those of an alias each time that it is used."""
MAX_DEPTH = 32
_TAG = "tag:yaml.org,2002:"


def read_yaml(path: Path) -> Any:
    """Return the value in a file, see `load_yaml`.

    Raises:
        ValueError: It is no regular file, no UTF-8 or no YAML, or larger than is allowed.
        OSError: It cannot be read.
    """
    return load_yaml(read_limited(path, MAX_CHARACTERS).decode())


def load_yaml(text: str) -> Any:
    """Return the value of a text, by the core schema of YAML 1.2.

    Raises:
        ValueError: It is not YAML, or a mapping holds a key twice; it is longer than
            `MAX_CHARACTERS`, stands for more than `MAX_VALUES`, or is nested more than `MAX_DEPTH`
            deep; or it holds values of another kind than mappings, lists, texts, numbers,
            booleans and null. The message is one line.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters; {MAX_CHARACTERS} are allowed")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = ", ".join(filter(None, (error.context, error.problem)))
        raise ValueError(f"{where}{shortened(problem, 200)}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


class _Loader(yaml.SafeLoader):
    """PyYAML's loader for plain values, with the plain scalars and unique keys of YAML 1.2."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0
        self._values_of: dict[yaml.Node, int] = {}  # with those of aliases in it

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a value, counting what it stands for."""
        mark, is_alias = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)
        before = self._values
        self._depth += 1
        self._values += 1
        if self._depth > MAX_DEPTH:
            raise ComposerError(None, None, f"more than {MAX_DEPTH} values in each other", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            if node not in self._values_of:
                raise ComposerError(None, None, "it stands for a value around it", mark)
            self._values += self._values_of[node]
        elif node is not None:
            self._values_of[node] = self._values - before
        if self._values > MAX_VALUES:
            raise ComposerError(
                None, None, f"more than {MAX_VALUES} values, with those of aliases", mark
            )
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # a mapping or list, which cannot be a key here
            if key.value in seen:
                what = f"key {key.value[:80]!r} stands twice in a mapping"
                raise ComposerError(None, None, what, key.start_mark)
            seen.add(key.value)
        return node


_PATTERNS = {
    "null": r"(~|null|Null|NULL|)$",
    "bool": r"(true|false|True|False)$",
    "int": r"[-+]?\d{1,300}$",
    "float": r"([-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
}
_FIRST = {"null": "~nN", "bool": "tfTF", "int": "-+0123456789", "float": "-+.0123456789"}
_CONVERT: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}


def _construct(_: yaml.SafeLoader, node: yaml.Node) -> Any:
    """Return the value of a scalar, whose tag may have been written out and not fit its text."""
    kind = node.tag.removeprefix(_TAG)
    if not isinstance(node, yaml.ScalarNode) or not re.match(_PATTERNS[kind], node.value):
        raise ConstructorError(None, None, f"this is no {kind}", node.start_mark)
    return _CONVERT[kind](node.value)


_KEPT = {f"{_TAG}merge", f"{_TAG}value"}
_Loader.yaml_implicit_resolvers = {
    first: kept
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [pair for pair in pairs if pair[0] in _KEPT])
}
_Loader.yaml_constructors = {  # of all tags; PyYAML's dates, binary texts and sets are none of ours
    tag: yaml.SafeLoader.yaml_constructors[tag]
    for tag in (None, f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map")
}
for _kind, _pattern in _PATTERNS.items():
    _first = [*_FIRST[_kind], *([""] if _kind == "null" else [])]
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(_pattern), _first)
    _Loader.add_constructor(f"{_TAG}{_kind}", _construct)
