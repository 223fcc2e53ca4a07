"""YAML 1.2 with PyYAML, which speaks 1.1.

There 1e-4 is a text, on, off and no are booleans, 010 is 8, 1:30 is 90, and 2020-01-01 a date; and
of a key that stands twice in a mapping, the last one silently wins. Here that is an error.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import ComposerError


def load_yaml(text: str) -> Any:
    """Return the value of a text, by the core schema of YAML 1.2.

    Raises:
        ValueError: It is not YAML, or a mapping holds a key twice.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's loader for plain values, with the plain scalars and unique keys of YAML 1.2."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # a mapping or list, which cannot be a key here
            if key.value in seen:
                what = f"key {key.value!r} stands twice in a mapping"
                raise ComposerError(None, None, what, key.start_mark)
            seen.add(key.value)
        return node


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_REPLACED = {f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "timestamp")}
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in _REPLACED]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern, _first in (
    ("bool", r"(true|false|True|False)$", "tfTF"),
    ("int", r"[-+]?\d{1,300}$", "-+0123456789"),
    ("float", r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?$", "-+.0123456789"),
    ("float", r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$", "-+."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
