"""The log of a run: ``log.jsonl`` with one line per step, values for trackers, and progress."""

from __future__ import annotations

import io
import json
import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from avsa.tracking.trackers import Guarded, StartTracker, TensorBoard
from yt360.errors import UserError
from yt360.files import append_lines, atomic_write, attach_file_name
from yt360.terminal.progress import Progress
from yt360.untrusted.files import MAX_JSON_BYTES, read_limited
from yt360.untrusted.parsing import parse_json

FILE_NAME = "log.jsonl"


class RunLog:
    """Writes ``log.jsonl``, passes values on to trackers, and shows progress. A context manager.

    Args:
        run: The run's folder.
        first_step: Number of finished steps. Lines of later steps, which a killed run may have
            left, are removed.
        last_step: The step at which this call stops.
        wants_keys: Whether `step` needs the keys of each batch's clips.
        active: False on all ranks except the first: nothing is written.
        trackers: What starts the trackers that get the values of each step. One that fails later
            is dropped with a warning.
    """

    def __init__(
        self,
        run: Path,
        first_step: int,
        last_step: int,
        wants_keys: bool = False,
        active: bool = True,
        trackers: Sequence[StartTracker] = (TensorBoard,),
    ) -> None:
        self.run, self.wants_keys, self.active = run, wants_keys, active
        self._opened = ExitStack()
        if not active:
            return
        _remove_lines_after(run / FILE_NAME, first_step)
        self._progress = Progress("training", last_step, "steps", done=first_step)
        with ExitStack() as opened, attach_file_name(run):
            self._lines = opened.enter_context(append_lines(run / FILE_NAME))
            self._trackers = []
            for start in trackers:
                tracker = Guarded(start(run, first_step), self.warn)
                opened.callback(tracker.close)
                self._trackers.append(tracker)
            self._opened = opened.pop_all()

    def __enter__(self) -> RunLog:
        if self.active:
            self._opened.enter_context(self._progress)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with attach_file_name(self.run):
            self._opened.__exit__(kind, error, trace)

    def step(
        self,
        step: int,
        stage: str,
        epoch: int,
        values: Mapping[str, float],
        keys: list[str] | None = None,
    ) -> None:
        """Write one step: a line, and `values` for the trackers."""
        if not self.active:
            return
        record: dict[str, Any] = {"step": step, "stage": stage, "epoch": epoch, **values}
        if keys is not None:
            record["keys"] = keys
        with attach_file_name(self.run):
            self._write(record)
            for tracker in self._trackers:
                tracker.log(step, values)
        self._progress.advance()

    def note(self, message: str) -> None:
        """Print a message above the progress bar."""
        if self.active:
            self._progress.note(message)

    def warn(self, message: str) -> None:
        """Print a message, and write it to the log as a line with only ``warning``."""
        if self.active:
            with attach_file_name(self.run):
                self._write({"warning": message})
            self._progress.note(message)

    def _write(self, record: Mapping[str, Any]) -> None:
        self._lines.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._lines.flush()


def memory_mb(device: torch.device) -> float:
    """Return the peak memory so far in MiB, of the CUDA device or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def read_log(run: Path) -> list[dict[str, Any]]:
    """Return the records of a run's steps, without damaged lines, which a killed run may leave.

    Raises:
        UserError: The log is not a regular file, or too long.
        OSError: It cannot be read.
    """
    return list(log_records(run))


def log_records(run: Path, inside: Path | None = None) -> Iterator[dict[str, Any]]:
    """Yield what `read_log` returns, one record at a time.

    Args:
        run: The folder of the run.
        inside: Folder that a link must not lead out of; None allows any link.
    """
    return (record for record, _ in _records(run / FILE_NAME, inside) if "step" in record)


def _records(path: Path, inside: Path | None = None) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield the records of a log and their lines."""
    try:
        content = read_limited(path, MAX_JSON_BYTES, inside)
    except ValueError as error:
        raise UserError(f"{error}; move it away, or choose another --out", key=path) from None
    for line in io.BytesIO(content):
        with suppress(ValueError):
            record = parse_json(line, dict[str, Any])
            if type(record.get("step", 0)) is int:
                yield record, line.rstrip(b"\r\n")


def _remove_lines_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = [line for record, line in _records(path) if record.get("step", 0) <= step]
    with atomic_write(path) as file:
        file.writelines(line + b"\n" for line in kept)
