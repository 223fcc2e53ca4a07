"""The examples of docs/python.md run as written there, and give the values in their comments."""

from __future__ import annotations

import ast
import re
import shutil
from typing import Any

import pytest
from click.testing import CliRunner
from helpers.paths import REPOSITORY

import avsa
import yt360
from avsa.cli import cli as avsa_command
from yt360.cli import cli as yt360_command

PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)

# A change of this table is a change of the interface: record it in CHANGELOG.md.
PUBLIC = {
    yt360: {
        "Clip", "crop_view", "energy_map", "open_dataset", "probe", "read_clip", "rotate_to_view",
        "undo_field_correction",
    },
    avsa: {
        "AudioConfig", "Embedding", "InfoNCE", "Model", "ViewConfig", "Views", "crop_views",
        "draw_views", "load", "log_mels", "view_spectrograms",
    },
}  # fmt: skip


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The current folder of a reader who has followed the page."""
    shutil.copytree(REPOSITORY / "shards", tmp_path / "shards")
    monkeypatch.chdir(tmp_path)
    few = ["stats", "shards", "--recipe", "small", "--samples", "9"]  # 1,000 would take seconds
    assert CliRunner().invoke(avsa_command, few).exit_code == 0
    for name, command in (("yt360", yt360_command), ("avsa", avsa_command)):
        (arguments,) = re.findall(rf"`{name} (\w+ .*?)`", PAGE)
        result = CliRunner().invoke(command, arguments.split())
        assert result.exit_code == 0, result.output


def test_the_examples_give_the_values_in_their_comments(clone):
    names: dict[str, Any] = {}
    compared = sum(run_example(example, names) for example in EXAMPLES)
    assert compared >= 12


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_frozen_and_on_the_page(package):
    assert set(package.__all__) == PUBLIC[package] | {"__version__"}
    section = PAGE.split(f"## {package.__name__}\n")[1].split("\n## ")[0]
    assert PUBLIC[package] == set(
        re.findall(r"`(\w+)", "".join(re.findall(r"^\|(.*?)\|", section, re.M)))
    )
    assert all(getattr(package, name) for name in package.__all__)


def run_example(example: str, names: dict[str, Any]) -> int:
    """Run an example; return how many of its expressions were compared with their comments."""
    lines, compared = example.splitlines(), 0
    for statement in ast.parse(example).body:
        code = ast.get_source_segment(example, statement)
        assert code and statement.end_lineno
        if not isinstance(statement, ast.Expr):
            exec(code, names)
            continue
        value = eval(code, names)
        _, _, expected = lines[statement.end_lineno - 1].partition("  # ")
        if expected:
            assert repr(value) == expected, code
            compared += 1
    return compared
