"""The doctor names what is missing and how to fix it."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections import namedtuple

import pytest

from yt360 import doctor
from yt360.labels.segmenters.libraries import INSTALL
from yt360.media.ffmpeg import ffmpeg_binary


def finding(job: str, folder) -> doctor.Finding:
    return next(found for found in doctor.examine(folder) if found.job == job)


def test_a_working_machine_lacks_nothing_that_the_main_jobs_need(tmp_path, monkeypatch):
    monkeypatch.delenv("YT360_FFMPEG", raising=False)
    findings = doctor.examine(tmp_path)
    assert [found for found in findings if found.state == "missing"] == []
    assert all(found.fix for found in findings if found.state != "ok")


def test_an_incomplete_ffmpeg_is_named_with_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setenv("YT360_FFMPEG", shutil.which("true"))
    found = finding("convert media", tmp_path)
    assert found.state == "missing"
    assert "v360" in found.found
    assert "unset YT360_FFMPEG" in found.fix


def test_an_ffmpeg_that_cannot_map_hdr_is_named(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n'{ffmpeg_binary()}' \"$@\" | grep -v zscale\n")
    program.chmod(0o755)
    monkeypatch.setenv("YT360_FFMPEG", str(program))
    found = finding("convert media", tmp_path)
    assert found.state == "optional"
    assert "lacks zscale: HDR video is refused" in found.found


def test_an_ffmpeg_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("YT360_FFMPEG", "/no/such/ffmpeg")
    assert "/no/such/ffmpeg" in finding("convert media", tmp_path).found


def install(folder, monkeypatch, **answers):
    """Make `folder` hold all programs there are: each says its version, whatever it is asked."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(folder))  # beside Python
    for name, answer in answers.items():
        (folder / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (folder / name).chmod(0o755)


def test_lack_of_a_javascript_runtime_is_found_before_the_download(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    found = finding("download from YouTube", tmp_path)
    assert found.state == "missing"
    assert "no JavaScript runtime" in found.found
    assert "deno" in found.fix


def test_a_javascript_runtime_that_is_too_old_for_ytdlp_does_not_count(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, node="v20.20.2", deno="deno 2.2.0 (stable)")
    found = finding("download from YouTube", tmp_path)
    assert found.state == "missing"
    assert "too old: deno 2.2.0, node 20.20.2" in found.found
    assert "Node.js 22.0.0 or newer" in found.fix


@pytest.mark.parametrize(
    ("program", "answer", "shown"),
    [
        ("deno", "deno 2.5.0 (stable)", "deno 2.5.0"),
        ("node", "v22.1.0", "node 22.1.0"),
        ("bun", "1.2.15", "bun 1.2.15"),
        ("qjs", "QuickJS version 2025-04-26", "quickjs 2025-04-26"),
    ],
)
def test_every_javascript_runtime_that_ytdlp_takes_will_do(
    tmp_path, monkeypatch, program, answer, shown
):
    install(tmp_path, monkeypatch, **{program: answer})
    found = finding("download from YouTube", tmp_path)
    assert (found.state, found.fix) == ("ok", "")
    assert found.found.endswith(f"JavaScript by {shown}")


def test_torch_packages_that_do_not_match_are_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    found = finding("train", tmp_path)
    assert found.state == "missing"
    assert "constraints.txt" in found.fix


@pytest.mark.parametrize(("free_gib", "state"), [(2, "optional"), (200, "ok")])
def test_a_nearly_full_disk_is_pointed_out(tmp_path, monkeypatch, free_gib, state):
    usage = namedtuple("usage", "free")(free_gib * 2**30)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert finding("store data", tmp_path).state == state


def test_an_optional_library_that_does_not_load_is_not_called_missing(tmp_path, monkeypatch):
    package = tmp_path / "detectron2"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model_zoo.py").write_text("import pkg_resources_of_old")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "detectron2"]:
        monkeypatch.delitem(sys.modules, name)
    found = finding("label with detectron2", tmp_path)
    assert found.state == "optional"
    assert "cannot be imported: No module named 'pkg_resources_of_old'" in found.found
    assert found.fix == INSTALL["detectron2"]
