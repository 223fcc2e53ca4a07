"""An export has what the server answers, and repeating it changes nothing."""

import json

import pytest
from helpers.errors import user_error
from helpers.explore import FakeLayers, FakeSource, client

from yt360.explore.export import DONE, MARKER, export_site
from yt360.explore.parts import NO_LAYERS
from yt360.explore.site import Site


class Layers(FakeLayers):
    def facts(self, _clip):
        return {
            **NO_LAYERS,
            "energy": {"frames": 1},
            "labels": {"times_s": [0.0, 1.0], "legend": []},
            "runs": {"one": {"file": "runs/0.json"}},
        }

    def file(self, clip, name):
        run = json.dumps({"views": [{"crop": "0.jpg"}, {"crop": "../../1.jpg"}]}).encode()
        files = {"runs/0.json": run, "runs/0/0.jpg": b"crop", "runs/0/gradcam.bin": b"map"}
        files |= {"labels/0.png": b"first", "labels/1.png": b"second", "strip.png": b"strip"}
        return (files[name], "text/plain") if name in files else super().file(clip, name)


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "page"
    (folder / "static").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "static" / "main.js").write_text("export {};")
    return folder


@pytest.fixture
def export(tmp_path, page):
    def run(source=None):
        out = tmp_path / "out"
        return out, export_site(Site(source or FakeSource(), Layers(), chunk=2), out, page)

    return run


def addresses(out):
    inner = {MARKER, ".export.lock"}
    files = (str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    return {name for name in files if name not in inner and not name.endswith(DONE)}


def test_every_file_is_what_the_server_answers(export, page):
    out, report = export()
    server = client(layers=Layers(), page=page)
    names = addresses(out)
    assert {"index.html", "static/main.js", "api/clips/2.json", "clips/0/labels/1.png"} <= names
    assert {"clips/1/runs/0.json", "clips/1/runs/0/0.jpg", "clips/1/runs/0/gradcam.bin"} <= names
    for name in names:
        assert (out / name).read_bytes() == server.get(f"/{name}").content, name
    assert set(report.broken) == {"clip-00002"} and report.written == 5
    assert "clips/2/clip.json" in names and "clips/2/video.mp4" not in names


def test_repeating_tries_only_what_was_broken(export):
    out, _ = export()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    _, report = export()
    assert (report.written, report.unchanged) == (1, 4)
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    before.pop(out / ".export.lock", None), after.pop(out / ".export.lock", None)
    assert after == before


def test_an_interrupted_export_continues(export, page):
    class Killed(FakeSource):
        def facts(self, row):
            if row == 1:
                raise KeyboardInterrupt
            return super().facts(row)

    with pytest.raises(KeyboardInterrupt):
        export(Killed())
    out, report = export()
    assert (report.written, report.unchanged) == (4, 1)
    assert (out / "index.html").exists()


def test_other_content_is_written_again_and_what_is_gone_is_removed(export):
    class Other(FakeSource):
        num_clips, num_rejected = 1, 0
        video = b"other"

        def facts(self, row):
            return {**super().facts(row), "duration_s": 5}

    export()
    out, report = export(Other())
    assert (report.written, report.unchanged) == (1, 0)
    assert (out / "clips" / "0" / "video.mp4").read_bytes() == b"other"
    assert [path.name for path in (out / "clips").iterdir()] == ["0"]
    assert [path.name for path in (out / "api" / "clips").iterdir()] == ["0.json"]


def test_a_folder_of_something_else_is_left_alone(tmp_path, export):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with user_error("conflict"):
        export()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_nothing_is_decided_in_an_export(export):
    out, _ = export()
    assert json.loads((out / "api" / "site.json").read_bytes())["can_review"] is False
