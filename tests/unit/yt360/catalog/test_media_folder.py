"""Which folder is believed to hold the media of a catalog."""

from __future__ import annotations

import os

import pytest
from helpers.errors import user_error

from yt360.catalog import Catalog
from yt360.catalog.media_folder import MARKER, mark, marks_of
from yt360.cli import cli
from yt360.commands.run import run

ID, OTHER = "0" * 32, "f" * 32


@pytest.fixture
def path(tmp_path):
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "my.catalog"
    Catalog(path, create=True).close()
    return path


@pytest.mark.parametrize("folder", ["/absolute", "../above", "below/../../above", "link"])
def test_a_folder_elsewhere_that_a_catalog_names_is_not_used(path, folder):
    (path.parent / "link").symlink_to("/")
    with Catalog(path) as catalog:
        catalog.set_setting("media", folder)
        catalog.set_setting("id", ID)
        with user_error("forbidden", "media"):
            _ = catalog.media


def test_a_folder_elsewhere_is_used_after_the_user_named_it_and_catalogs_may_share_it(
    path, tmp_path
):
    shared = tmp_path / "disk" / "media"
    for name in ("my.catalog", "second.catalog"):
        with Catalog(path.with_name(name), create=True) as catalog:
            catalog.set_media(shared)
    for name in ("my.catalog", "second.catalog"):
        with Catalog(path.with_name(name)) as catalog:
            assert catalog.media == shared == catalog.own_media() == catalog.make_media()
    assert len(marks_of(shared)) == 2


def test_catalog_and_media_move_together(path, tmp_path):
    with Catalog(path) as catalog:
        catalog.make_media()
    moved = path.parent.rename(tmp_path / "moved") / path.name
    with Catalog(moved) as catalog:
        assert catalog.own_media() == tmp_path / "moved" / "my-media"


def test_a_usual_folder_from_before_markers_is_marked_as_it_is_filled(path):
    usual = path.parent / "my-media"
    usual.mkdir()
    with Catalog(path) as catalog:
        assert catalog.own_media() == usual and not (usual / MARKER).exists()
        catalog.make_media()
    assert (usual / MARKER).exists()


def test_a_usual_folder_that_belongs_to_another_catalog_is_read_and_not_changed(path):
    mark(path.parent / "my-media", OTHER)
    with Catalog(path) as catalog:
        assert catalog.media == path.parent / "my-media"
        for change in (catalog.own_media, catalog.make_media):
            with user_error("forbidden"):
                change()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "long"])
def test_a_marker_that_is_no_marker_marks_nothing_and_nothing_is_written_through_it(
    path, tmp_path, kind
):
    folder, victim = tmp_path / "media", tmp_path / "victim"
    folder.mkdir()
    victim.write_text(f"{ID}\n")
    marker = folder / MARKER
    if kind == "link":
        marker.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(marker)
    elif kind == "folder":
        marker.mkdir()
    else:
        marker.write_bytes(f"{ID}\n".encode() * 40_000)
    assert ID not in marks_of(folder)
    if kind != "long":
        with Catalog(path) as catalog, user_error("system", folder):
            catalog.set_media(folder)
    assert victim.read_text() == f"{ID}\n"


@pytest.mark.parametrize("value", ["[1]", "5", "[" * 100_000, "{", '"\\u0000"'])
def test_a_media_setting_of_another_type_is_one_line(path, value):
    with Catalog(path) as catalog:
        catalog.set_setting("media", "x")
        catalog.connection.execute("UPDATE settings SET value = ?", (value,))
        with user_error("invalid", "media"):
            _ = catalog.media


def test_the_command_sets_and_prints_the_folder(path, tmp_path, capsys):
    for words in ([str(tmp_path / "disk")], []):
        with pytest.raises(SystemExit) as end:
            run(cli, ["catalog", "media", str(path), *words])
        assert not end.value.code
        assert capsys.readouterr().out == f"{tmp_path / 'disk'}\n"
