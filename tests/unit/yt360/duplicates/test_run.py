"""Duplicates in a dataset are found, grouped, shown, and kept for the next run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.errors import user_error
from helpers.in_process import InlinePool
from helpers.panoramas import film, place, sound
from helpers.small_datasets import FORM, mp4_bytes, write_dataset

from yt360.cli import cli
from yt360.clip_codec.flac import encode_flac
from yt360.clips import clip_key
from yt360.duplicates.config import DedupConfig
from yt360.duplicates.groups import find_groups
from yt360.duplicates.pairs import PAIRS_FILE
from yt360.duplicates.report import write_report
from yt360.duplicates.run import DedupReport, dedup, open_inputs
from yt360.duplicates.sources import ShardSource
from yt360.errors import BadItem
from yt360.execution.local import Crashed
from yt360.locks import Locked, exclusive_lock

CLIP_S = 4


def clips(video_id: str, frames: np.ndarray, samples: np.ndarray) -> list:
    """Return consecutive clips of a video as samples of a shard."""
    made = []
    for start_s in range(0, round(len(frames) / FORM.fps), CLIP_S):
        part = frames[start_s * FORM.fps : (start_s + CLIP_S) * FORM.fps]
        gray = np.full((len(part), FORM.height // 2, FORM.width), 128, np.uint8)
        rate = FORM.sample_rate_hz
        w = samples[start_s * rate : (start_s + CLIP_S) * rate]
        ambix = np.stack([w, *3 * [np.zeros_like(w)]])
        facts = {
            "video_id": video_id,
            "start_s": start_s,
            "duration_s": float(CLIP_S),
            "source": {"file_start_s": 0},
        }
        members = {
            "mp4": mp4_bytes(np.concatenate([part, gray], axis=1)),
            "flac": encode_flac(np.round(ambix * 20_000).astype(np.int16), rate),
            "json": json.dumps(facts).encode(),
        }
        made.append((clip_key(video_id, start_s), members))
    return made


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return "first" and "place", from there at another time, in train; a turned copy in test."""
    background = place(1, FORM.height, FORM.width)
    frames, samples = film(background, 1, 9, FORM.fps), sound(1, 9, FORM.sample_rate_hz)
    seconds = 8
    first = clips("first", frames[: seconds * FORM.fps], samples)
    later = np.roll(frames[FORM.fps :], 30, axis=2), samples[FORM.sample_rate_hz :]
    there = film(background, 7, 4, FORM.fps), sound(7, 4, FORM.sample_rate_hz)
    other = film(place(2, FORM.height, FORM.width), 2, 4, FORM.fps)
    shards = {
        "train": [[*first], clips("place", *there)],
        "test": [[*clips("copy", *later), *clips("other", other, there[1][::-1])]],
    }
    return write_dataset(tmp_path_factory.mktemp("duplicates") / "dataset", shards)


def run(dataset: Path, **options) -> DedupReport:
    return dedup(open_inputs(dataset), DedupConfig(**options), make_pool=InlinePool)


def test_a_copy_is_found_across_the_split(dataset, tmp_path):
    report = run(dataset)
    kinds = {(p.video_a, p.video_b): p.match.kind for p in report.pairs}
    assert kinds == {
        ("first", "copy"): "same-footage",
        ("first", "place"): "same-place",
        ("place", "copy"): "same-place",
    }
    assert report.groups == find_groups(dataset / "duplicates") == (("copy", "first"),)
    assert report.crossing == (("copy", "first"),)
    best = report.pairs[0].match
    assert best.yaw_deg == pytest.approx(-30 / 128 * 360, abs=1)
    assert best.start_a_s - best.start_b_s == pytest.approx(1, abs=0.26)
    table = pq.read_table(dataset / "duplicates" / PAIRS_FILE)
    assert table.num_rows == len(report.pairs)
    assert table.to_pylist()[0]["video_a"] == "first"

    page = tmp_path / "pairs.html"
    write_report(report, page, make_pool=InlinePool)
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,/9j/") == 2 * len(kinds)
    assert not re.search(r"https?:|<script|<link", text)


def test_the_command_prints_pairs_and_what_crosses_the_split(dataset, capsys):
    cli(["dedup", str(dataset), "--json"], standalone_mode=False)
    best = json.loads(capsys.readouterr().out)[0]
    assert (best["video_a"], best["video_b"], best["kind"]) == ("first", "copy", "same-footage")
    cli(["dedup", str(dataset), "--min-match-s", "3"], standalone_mode=False)
    assert "train and test: copy, first" in capsys.readouterr().out


def test_places_are_grouped_when_asked(dataset):
    assert run(dataset, group="same-place").groups == (("copy", "first", "place"),)


def test_a_second_run_makes_no_fingerprint_again(dataset, monkeypatch):
    run(dataset)
    files = sorted((dataset / "duplicates" / "fingerprints").iterdir())
    assert len(files) == 3
    files[0].write_bytes(b"half a fi")  # no run of ours leaves that
    (files[0].parent / "0000.npz").touch()  # of media that are gone
    made = []
    make = ShardSource.fingerprints
    monkeypatch.setattr(ShardSource, "fingerprints", lambda self: made.append(1) or make(self))
    assert run(dataset).groups == (("copy", "first"),)
    assert len(made) == 1
    assert sorted(files[0].parent.iterdir()) == files


def test_a_clip_that_does_not_decode_is_skipped_and_said(dataset, monkeypatch, tmp_path):
    inputs = open_inputs(dataset)
    inputs = type(inputs)(inputs.sources, inputs.split_of, tmp_path)

    def broken(mp4):
        raise BadItem("corrupt-video", "as the test wants")

    monkeypatch.setattr("yt360.duplicates.sources.clip_grids", broken)
    for _ in range(2):  # the second run knows it from the first
        report = dedup(inputs, DedupConfig(), make_pool=InlinePool)
        assert report.recordings == 0 and report.groups == ()
        assert {each.reason for each in report.skipped} == {"corrupt-video"}
        assert len(report.skipped) == 6


class DyingPool(InlinePool):
    """Workers that die, the last one first."""

    def run(self, function, tasks):  # noqa: ARG002
        while tasks:
            yield tasks.pop(), Crashed(-9)


def test_what_kills_a_worker_is_listed_in_the_order_of_the_files(dataset, tmp_path):
    ignored = shutil.ignore_patterns("duplicates")
    inputs = open_inputs(shutil.copytree(dataset, tmp_path / "copy", ignore=ignored))
    report = dedup(inputs, DedupConfig(), make_pool=DyingPool)
    assert [each.name for each in report.skipped] == [each.identity for each in inputs.sources]
    assert len(report.skipped) == 3 and {each.reason for each in report.skipped} == {"crash"}


def test_two_runs_at_once_are_refused(dataset):
    with exclusive_lock(dataset / "duplicates" / ".lock"), pytest.raises(Locked):
        run(dataset)


@pytest.mark.parametrize(
    ("report", "code"), [("no/pairs.html", "missing"), (".", "invalid"), ("pairs.txt", "invalid")]
)
def test_a_report_that_cannot_be_written_is_refused_before_the_search(
    dataset, tmp_path, report, code
):
    with user_error(code):
        cli(["dedup", str(dataset), "--report", str(tmp_path / report)], standalone_mode=False)


def test_what_is_no_dataset_is_refused(tmp_path):
    with user_error("missing"):
        open_inputs(tmp_path)
