"""The doctor names what is missing and how to mend it."""

from __future__ import annotations

import shutil
import sys
from collections import namedtuple

import pytest

from yt360 import doctor


def finding(job: str, folder) -> doctor.Finding:
    return next(found for found in doctor.examine(folder) if found.job == job)


def test_a_working_machine_lacks_nothing_that_the_main_jobs_need(tmp_path, monkeypatch):
    monkeypatch.delenv("YT360_FFMPEG", raising=False)
    findings = doctor.examine(tmp_path)
    needed = [found for found in findings if found.job != "download from YouTube"]
    assert [found for found in needed if found.state == "missing"] == []
    assert all(found.mend for found in findings if found.state != "ok")


def test_an_incomplete_ffmpeg_is_named_with_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setenv("YT360_FFMPEG", shutil.which("true"))
    found = finding("convert media", tmp_path)
    assert found.state == "missing"
    assert "v360" in found.found
    assert "unset YT360_FFMPEG" in found.mend


def test_an_ffmpeg_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("YT360_FFMPEG", "/no/such/ffmpeg")
    assert "/no/such/ffmpeg" in finding("convert media", tmp_path).found


def test_lack_of_a_javascript_runtime_is_found_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    found = finding("download from YouTube", tmp_path)
    assert (found.state, "deno" in found.mend) == ("missing", True)


def test_torch_packages_that_do_not_match_are_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    found = finding("train", tmp_path)
    assert found.state == "missing"
    assert "constraints.txt" in found.mend


@pytest.mark.parametrize(("free_gib", "state"), [(2, "optional"), (200, "ok")])
def test_a_nearly_full_disk_is_pointed_out(tmp_path, monkeypatch, free_gib, state):
    usage = namedtuple("usage", "free")(free_gib * 2**30)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert finding("store data", tmp_path).state == state
