"""Laws of the module tree: no import circles, and folders that can be surveyed."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_MODULES = 15


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules() -> dict[str, Path]:
    return {name_of(path): path for top in ("yt360", "avsa") for path in (ROOT / top).rglob("*.py")}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, at_import: bool) -> Iterator[str]:
    """Yield the absolute names that a module imports.

    Args:
        tree: The module.
        at_import: Only imports that run when the module is imported, not those in functions.
    """
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            continue
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imports(node, at_import)


@cache
def parsed() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_bytes()) for name, path in modules().items()}


@cache
def graph(at_import: bool) -> dict[str, set[str]]:
    """Return the modules of this repository that each module imports."""
    known = parsed()
    edges: dict[str, set[str]] = {}
    for name, tree in known.items():
        found = imports(tree, at_import)
        targets = {each if each in known else each.rpartition(".")[0] for each in found}
        edges[name] = (targets & known.keys()) - {name}
    return edges


def circle_in(edges: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found():
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}}) and not circle_in({"a": {"b"}})


@pytest.mark.parametrize("at_import", [True, False], ids=["at import", "in functions too"])
def test_no_modules_import_each_other(at_import):
    assert not circle_in(graph(at_import))


def test_yt360_does_not_import_avsa():
    for name, targets in graph(False).items():
        if name.partition(".")[0] == "yt360":
            assert not [each for each in targets if each.partition(".")[0] == "avsa"], name


def test_no_folder_has_too_many_modules():
    counts = Counter(
        path.parent for path in modules().values() if path.stem not in ("__init__", "__main__")
    )
    crowded = {str(p.relative_to(ROOT)): n for p, n in counts.items() if n > MAX_MODULES}
    assert not crowded
