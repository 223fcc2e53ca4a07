"""Read untrusted YAML 1.2 within limits: plain values only, and no repeated keys.

Recipes and query lists are untrusted, and with aliases one line of YAML can expand to more values
than fit into memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.resolver import VersionedResolver

from yt360.errors import UserError
from yt360.terminal.text import shortened
from yt360.untrusted.files import read_limited

MAX_CHARACTERS = 256 << 10
"""Of a text; the longest recipe of the package has 3,000."""
MAX_VALUES = 20_000
"""Of a text, with those of an alias each time that it is used."""
MAX_DEPTH = 32
_TAG = "tag:yaml.org,2002:"
PLAIN_KINDS = ("null", "bool", "int", "float", "str", "seq", "map")


def read_yaml(path: Path, inside: Path | None = None) -> Any:
    """Return the value in a file, see `load_yaml` and `read_limited`.

    Raises:
        ValueError: It is no regular file, no UTF-8 or no YAML, or larger than is allowed.
        OSError: It cannot be read.
    """
    return load_yaml(read_limited(path, MAX_CHARACTERS, inside).decode())


def read_yaml_mapping(path: Path, inside: Path | None = None) -> dict[str, Any]:
    """Return the mapping in a file; an empty one where it holds nothing.

    Args:
        path: The file.
        inside: Folder that a link must not lead out of; None allows any link.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    try:
        content = read_yaml(path, inside) or {}
    except (ValueError, OSError) as error:
        missing = isinstance(error, FileNotFoundError)
        fault = "is not YAML" if isinstance(error, ValueError) else "cannot be read"
        raise UserError(
            f"{path} {fault}: {error}", "missing" if missing else "invalid", path
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a mapping of keys to values", key=path)
    return content


def load_yaml(text: str) -> Any:
    """Return the value of a text.

    Raises:
        ValueError: It is not YAML, or a mapping holds a key twice; it is longer than
            `MAX_CHARACTERS`, stands for more than `MAX_VALUES`, or is nested more than `MAX_DEPTH`
            deep; or it holds values of another kind than mappings, lists, texts, numbers,
            booleans and null. The message is one line.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters; at most {MAX_CHARACTERS} are allowed")
    try:
        return _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = ", ".join(filter(None, (error.context, error.problem)))
        raise ValueError(f"{where}{shortened(problem, 200)}") from None
    except YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except (ValueError, LookupError) as error:
        raise ValueError(f"a value does not fit its tag: {shortened(str(error), 200)}") from None


def write_yaml(value: Any, file: IO[str]) -> None:
    """Write nested mappings, lists and plain values; keys keep their order."""
    _yaml().dump(value, file)


class _Composer(Composer):
    """Counts the values that a text stands for, and refuses keys that stand twice."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False
        self._values = 0
        self._values_of: dict[Node, int] = {}  # with those of aliases in it

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event, before = self.parser.peek_event(), self._values
        if self.depth == MAX_DEPTH:
            raise _problem(f"more than {MAX_DEPTH} values in each other", event)
        self._values += 1
        node: Node | None = super().compose_node(parent, index)
        if isinstance(event, AliasEvent):
            if node not in self._values_of:
                raise _problem("it stands for a value around it", event)
            self._values += self._values_of[node]
        elif node is not None:
            self._values_of[node] = self._values - before
        if self._values > MAX_VALUES:
            raise _problem(f"more than {MAX_VALUES} values, with those of aliases", event)
        return node

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        node: MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise _problem("a key is a mapping or a list", key)
            if key.value in seen:
                raise _problem(f"key {key.value[:80]!r} stands twice in a mapping", key)
            seen.add(key.value)
        return node


class _Resolver(VersionedResolver):
    """What texts without quotes are, by YAML 1.2 whatever the file says; no dates."""

    processing_version = (1, 2)

    def add_version_implicit_resolver(
        self, version: Any, tag: str, regexp: Any, first: Any
    ) -> None:
        if tag not in (f"{_TAG}timestamp", f"{_TAG}value"):
            super().add_version_implicit_resolver(version, tag, regexp, first)


class _Constructor(SafeConstructor):
    """Makes plain values alone: no dates, binary texts or sets."""


_Constructor.yaml_constructors = {
    tag: SafeConstructor.yaml_constructors[tag]
    for tag in (None, *(f"{_TAG}{kind}" for kind in PLAIN_KINDS))
}


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.Resolver, yaml.Constructor = _Composer, _Resolver, _Constructor
    yaml.default_flow_style = False
    yaml.representer.sort_base_mapping_type_on_output = False
    return yaml


def _problem(what: str, at: Any) -> ComposerError:
    return ComposerError(None, None, what, at.start_mark)
