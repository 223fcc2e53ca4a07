"""The installed wandb, offline: what its file has of a run."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from avsa.tracking.trackers import tracker_starts
from avsa.training.metrics_log import RunLog

_FILE_HEADER, _CHUNK_HEADER, _BLOCK = 7, struct.Struct("<IHB"), 32768
_IS_LAST = {1, 4}  # chunks of LevelDB's log format: whole, and last


@pytest.fixture
def offline(tmp_path, monkeypatch):
    import wandb

    for kind in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{kind}_DIR", str(tmp_path / kind))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    yield
    wandb.teardown()


def records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file of wandb."""
    content, place, parts = path.read_bytes(), _FILE_HEADER, b""
    while place + _CHUNK_HEADER.size <= len(content):
        if _BLOCK - place % _BLOCK < _CHUNK_HEADER.size:
            place += _BLOCK - place % _BLOCK
            continue
        _, size, kind = _CHUNK_HEADER.unpack_from(content, place)
        place += _CHUNK_HEADER.size
        parts += content[place : place + size]
        place += size
        if kind in _IS_LAST:
            yield parts
            parts = b""


@pytest.mark.usefixtures("offline")
def test_wandb_has_the_values_of_each_step_once(tmp_path):
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    run = tmp_path / "run"
    run.mkdir()
    with RunLog(run, 0, 3, trackers=tracker_starts(["wandb"], {"seed": 1})) as log:
        for step in (1, 2, 3):
            log.step(step, "avc", 0, {"loss": step / 2})
    wandb.teardown()  # its service may write after a run has finished, until it ends
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    found = [Record.FromString(each) for each in records(file)]
    values = [
        {item.key or ".".join(item.nested_key): item.value_json for item in each.history.item}
        for each in found
        if each.WhichOneof("record_type") == "history"
    ]
    steps = [(int(each["_step"]), float(each["loss"])) for each in values]
    assert steps == [(1, 0.5), (2, 1.0), (3, 1.5)]
    (name,) = {each.run.run_id for each in found if each.WhichOneof("record_type") == "run"}
    assert name == (run / "tracking-id.txt").read_text().strip()
