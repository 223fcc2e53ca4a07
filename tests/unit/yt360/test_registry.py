"""Registries list their entries without importing them, and take those of others."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from helpers.errors import user_error

from yt360.commands.group import LazyGroup
from yt360.execution.local import WorkerPool
from yt360.plugins import load_object, load_plugins, loaded_plugins
from yt360.registry import Entry, Registry

pytestmark = pytest.mark.usefixtures("spawned_workers")

PLUGIN = """
from dataclasses import dataclass
from json import JSONDecoder as decoders

SHAPES = getattr(decoders, "shapes", None)

@dataclass(frozen=True)
class Ball:
    '''A round one.

    More.
    '''
    kind: str = "ball"
    radius_m: float = 1.0
    needs = "room"

if SHAPES is not None:
    SHAPES.register(Ball)
"""


@pytest.fixture
def shapes():
    return Registry(
        "shape", "test.shapes", Entry("cube", "no_such_module:Cube", "A square one.", "corners")
    )


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The name of a new module in the current folder."""
    name = f"plugin_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("yt360.plugins._plugins", {})
    yield name
    sys.modules.pop(name, None)


def test_entries_are_listed_without_their_modules(shapes):
    assert list(shapes) == ["cube"] and "cube" in shapes and len(shapes) == 1
    assert shapes["cube"].line == "A square one. Needs corners."


def test_an_unknown_name_names_the_nearest(shapes):
    with user_error("unknown-name", "cub"):
        shapes["cub"]
    with pytest.raises(Exception, match="'cube'"):
        shapes.load("cub")


def test_a_module_that_is_missing_is_one_line(shapes):
    with user_error("dependency", "no_such_module"):
        shapes.load("cube")


def test_a_registered_class_brings_name_help_and_needs(shapes, plugin):
    config = load_object(f"{plugin}:Ball", "class")
    assert shapes.register(config) is config
    assert shapes.load("ball") is config
    assert shapes["ball"] == Entry("ball", config, "A round one.", "room", plugin)
    assert shapes.register(config) is config, "as when a cell of a notebook runs again"
    assert loaded_plugins() == (plugin,)


def test_names_that_are_taken_are_refused(shapes):
    @dataclass
    class Cube:
        """Another one."""

        kind: str = "cube"

    with user_error("conflict", "cube"):
        shapes.register(Cube)


def test_classes_without_kind_docstring_or_fields_are_refused(shapes):
    class NotADataclass:
        """One."""

        kind = "x"

    @dataclass
    class NoKind:
        """One."""

    for wrong in (NotADataclass, NoKind):
        with user_error("invalid", wrong.__name__):
            shapes.register(wrong)


def test_entry_points_of_installed_packages_are_entries(tmp_path, monkeypatch, plugin):
    info = tmp_path / "shapes_of_others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shapes-of-others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[test.shapes]\nball = {plugin}:Ball\n")
    shapes = Registry("shape", "test.shapes")
    assert [(e.name, e.plugin, e.help) for e in shapes.entries()] == [
        ("ball", plugin, "From shapes-of-others.")
    ]
    assert plugin not in sys.modules
    ball = shapes.load("ball")
    assert ball.__name__ == "Ball"
    assert shapes.register(ball) is ball, "its module may register it, too"


@pytest.mark.parametrize("name", ["../plugin", "", "a b", "1"])
def test_what_cannot_be_a_module_is_refused(name):
    with user_error("invalid"):
        load_plugins([name])


def test_a_plugin_that_fails_is_one_line(plugin):
    Path(f"{plugin}.py").write_text("raise ValueError('two\\nlines')\n")
    with user_error("dependency", plugin):
        load_plugins([plugin])
    assert loaded_plugins() == ()


@pytest.mark.parametrize("order", [["--plugin", "MODULE", "go"], ["go", "--plugin", "MODULE"]])
def test_plugins_are_loaded_before_or_after_the_command(plugin, order, monkeypatch):
    @click.command("go")
    @click.option("--shape", callback=lambda _context, _option, _value: loaded_plugins())
    def go(shape):
        click.echo(shape)

    monkeypatch.setattr(LazyGroup, "get_command", lambda *_: go)
    group = LazyGroup("test", modules={"go": ("", "Go.")})
    words = [plugin if word == "MODULE" else word for word in order]
    result = CliRunner().invoke(group, words, catch_exceptions=False)
    assert result.output == f"('{plugin}',)\n"
    go.params = [each for each in go.params if each.name != "plugin"]


def test_worker_processes_load_the_plugins(plugin):
    load_plugins([plugin])
    with WorkerPool(1) as pool:
        ((_, known),) = pool.run(_plugins_there, deque([0]))
    assert known == (plugin,)


def _plugins_there(_: int) -> tuple[str, ...]:
    return loaded_plugins()
