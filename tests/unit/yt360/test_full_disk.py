"""A full disk is one line that names the file, exit code 2, and nothing half-written."""

from __future__ import annotations

import pytest

from yt360.catalog import Catalog
from yt360.cli import cli
from yt360.commands.run import run

LIMIT = 33_000
"""Bytes of a file; what SQLite keeps beside a catalog in use has 32,768."""


@pytest.fixture
def catalog_path(tmp_path):
    path = tmp_path / "x.catalog"
    with Catalog(path, create=True) as catalog, catalog.transaction():
        for number in range(2000):
            catalog.videos.add(f"{number:011d}")
    return path


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["catalog", "export", "CATALOG", "OUT/videos.csv"], "videos.csv"),
        (["catalog", "export", "CATALOG", "OUT/videos.jsonl"], "videos.jsonl"),
        (["catalog", "export", "CATALOG", "OUT/videos.parquet"], "videos.parquet"),
        (["scenes", "OUT", "--videos", "1", "--size", "320x160", "--duration-s", "2"], "scene"),
        (["import", "OUT/new.catalog", "--ids", "IDS"], "new.catalog"),
    ],
)
def test_each_command_names_the_file_and_leaves_none(
    words, made, catalog_path, tmp_path, file_size_limit, capsys
):
    out, ids = tmp_path / "out", tmp_path / "ids"
    out.mkdir()
    ids.write_text("".join(f"{number:011d}\n" for number in range(4000)))
    places = {
        "CATALOG": str(catalog_path),
        "IDS": str(ids),
    }
    words = [places.get(word, word.replace("OUT", str(out))) for word in words]
    with file_size_limit(LIMIT), pytest.raises(SystemExit) as stop:
        run(cli, words)
    said = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert [line for line in said if line.startswith("error: ")] == said[-1:]
    assert f"{out}/{made}" in said[-1]
    assert not [path for path in out.rglob("*") if path.stat().st_size > LIMIT]
    assert not list(out.rglob("*.tmp"))


def test_a_catalog_on_a_full_disk_keeps_its_last_whole_state(
    catalog_path, tmp_path, file_size_limit, capsys
):
    ids = tmp_path / "ids"
    ids.write_text("".join(f"{number:011d}\n" for number in range(5000)))
    size = catalog_path.stat().st_size
    with file_size_limit(size + 4096), pytest.raises(SystemExit) as stop:
        run(cli, ["import", str(catalog_path), "--ids", str(ids)])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {catalog_path}: ")
    with Catalog(catalog_path) as catalog:
        assert sum(1 for _ in catalog.videos.select()) == 2000
    with pytest.raises(SystemExit) as again:
        run(cli, ["import", str(catalog_path), "--ids", str(ids)])
    assert again.value.code == 0
