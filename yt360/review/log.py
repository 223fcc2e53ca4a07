"""A log of decisions in a file of JSON lines, which several processes may add to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from yt360.errors import UserError
from yt360.files import sync_folder
from yt360.locks import exclusive_lock
from yt360.review.decisions import Decision, in_order
from yt360.untrusted.files import read_limited

REVIEW_FILE = "review.jsonl"
MAX_LOG_BYTES = 1 << 28
_LOCK = ".review.lock"


class ReviewLog:
    """Decisions about the clips of a dataset or of a folder; see `yt360.review`.

    Copies of a log that were added to on two machines may be concatenated: decisions are ordered by
    time, and each one counts once.

    Args:
        path: The file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_folder(cls, folder: Path) -> ReviewLog:
        """Return the log in a folder."""
        return cls(folder / REVIEW_FILE)

    def read(self) -> list[Decision]:
        """Return all decisions by time.

        A last line without an end is what a killed process left; nobody was told that it is stored.

        Raises:
            UserError: The file cannot be read, or a line of it is not a decision.
        """
        return parse_log(self._content(), self.path)

    def version(self) -> str:
        """Return a text that changes with the decisions."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return "none"
        return f"{status.st_size:x}-{status.st_mtime_ns:x}"

    def add(self, make: Callable[[list[Decision]], Decision]) -> Decision:
        """Add a decision, while no other process adds one; it is on the disk at the return.

        Args:
            make: Returns the decision for those that are stored. Whatever it raises is raised, and
                nothing is added.

        Raises:
            UserError: See `read`; or the file cannot be written.
        """
        try:
            with exclusive_lock(self.path.with_name(_LOCK), wait=True):
                content = self._content()
                decision = make(parse_log(content, self.path))
                self._append(content, decision)
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written: {error.strerror}", "system", self.path
            ) from None
        return decision

    def _append(self, content: bytes, decision: Decision) -> None:
        is_new = not self.path.exists()
        descriptor = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
        )
        try:
            end = end_of(content)
            os.ftruncate(descriptor, end)
            line = memoryview(decision.to_line())
            while line:
                written = os.pwrite(descriptor, line, end)
                end, line = end + written, line[written:]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self.path.parent)

    def _content(self) -> bytes:
        try:
            return read_limited(self.path, MAX_LOG_BYTES, inside=self.path.parent)
        except FileNotFoundError:
            return b""
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path} cannot be read: {error}", key=self.path) from None


def parse_log(content: bytes, name: Path | str) -> list[Decision]:
    """Return the decisions in a log by time; a last line without an end is left out.

    Args:
        content: The log.
        name: Its name, for messages.

    Raises:
        UserError: A line is not a decision.
    """
    decisions = []
    for number, line in enumerate(content[: end_of(content)].split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            decisions.append(Decision.parse(line))
        except ValueError as error:
            raise UserError(
                f"{name}: line {number} is not a decision: {error}; correct or remove it",
                key=name,
            ) from None
    return in_order(decisions)


def end_of(content: bytes) -> int:
    """Return the end of the last whole line of a log; beyond it is the rest of a killed process."""
    return content.rfind(b"\n") + 1
