"""Files that broke readers once: each costs one line, and the others go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from yt360.cli import cli
from yt360.commands.run import run

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("spawned_workers")]

CATALOGS = (
    "clips.duration_s=x",
    "corrupt14",
    "title_ESC_show",
    "trigger_infinite_insert_(fills_disk)",
)
MEDIA = (
    "o9.ogg",
    "plan-12-exc-m722.caf",
    "probe-11-died-11-m108.mp4",
    "probe-11-died-11-m962.ts",
)


@pytest.fixture
def hostile(real_data) -> Path:
    return real_data / "hostile"


def yt360(*arguments: object) -> int:
    """Run the command line; return its exit code."""
    try:
        run(cli, [str(each) for each in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("name", CATALOGS)
def test_catalogs_are_shown_checked_and_exported_or_refused_in_one_line(
    hostile, tmp_path, capsys, name
):
    path = Path(shutil.copyfile(hostile / f"{name}.catalog", tmp_path / "my.catalog"))
    for command in (
        ("catalog", "show", path),
        ("catalog", "check", path),
        ("catalog", "query", path),
        ("catalog", "export", path, tmp_path / "out.csv"),
        ("catalog", "split", path),
        ("catalog", "drop", path, "abcdefghijk", "--delete-media"),
        ("stats", path),
    ):
        code = yt360(*command)
        said = capsys.readouterr()
        assert code in (0, 1, 2)
        assert "\x1b" not in said.out + said.err
        assert code == 0 or len(said.err.splitlines()) + len(said.out.splitlines()) >= 1
        assert "Traceback" not in said.err


@pytest.mark.parametrize("name", MEDIA)
def test_media_are_told_or_refused_in_one_line(hostile, capsys, name):
    assert yt360("probe", hostile / name) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_a_build_leaves_hostile_media_out_one_by_one(hostile, tmp_path, capsys):
    for name in MEDIA:
        shutil.copyfile(hostile / name, tmp_path / name)
    assert yt360("build-shards", tmp_path, "--out", tmp_path / "data", "--workers", 1) in (0, 2)
    said = capsys.readouterr()
    assert "Traceback" not in said.err and "unexpected-error" not in said.out + said.err
