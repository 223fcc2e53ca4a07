"""Progress of long operations: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from yt360.terminal.output import echo
from yt360.terminal.text import printable

if TYPE_CHECKING:
    from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0
WARM_UP_UNITS = 1
"""Units excluded from the rate, because the first one includes startup costs."""
MEASURED_UNITS = 3
"""Units to measure before the rate is shown."""


class Progress:
    """Show finished units, rate and remaining time on standard error.

    On a terminal it shows a bar, elsewhere it prints a line now and then. A context manager::

        with Progress("cutting", total=len(videos), unit="videos") as progress:
            for video in videos:
                ...
                progress.advance()

    Args:
        what: Name of the operation.
        total: Number of units; None if unknown.
        unit: Plural name of the units.
        done: Units that an earlier run finished; they do not count for the rate.
    """

    def __init__(self, what: str, total: int | None, unit: str, done: int = 0) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.count = self.first = self._printed = done
        self._bar: tqdm | None = None
        self._measured_from: float | None = None
        self._last_line = time.monotonic()
        if sys.stderr.isatty():
            from tqdm import tqdm  # a slow import

            bar = "" if total is None else "{percentage:3.0f}%|{bar}| "
            layout = f"{{desc}}: {bar}{{n_fmt}}{'' if total is None else '/{total_fmt}'} {unit}"
            self._bar = tqdm(
                total=total,
                initial=done,
                desc=printable(what),
                bar_format=layout + " [{elapsed}{postfix}]",
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.count > self._printed and kind is None:
            self._print_line()

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more units as done."""
        self.count += amount
        if self._measured_from is None and self.count - self.first >= WARM_UP_UNITS:
            self._measured_from, self.first = time.monotonic(), self.count
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(self._speed()), refresh=False)
            self._bar.update(amount)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print_line()

    def note(self, message: str) -> None:
        """Print a separate line without disturbing the bar."""
        if self._bar is not None:
            self._bar.write(printable(message), file=sys.stderr)
        else:
            echo(message, err=True)

    def _print_line(self) -> None:
        self._last_line, self._printed = time.monotonic(), self.count
        total = "" if self.total is None else f"/{self.total}"
        line = ", ".join([f"{self.what}: {self.count}{total} {self.unit}", *self._speed()])
        echo(line, err=True)

    def _speed(self) -> list[str]:
        """Return rate and remaining time, if they are known."""
        measured = self.count - self.first
        if self._measured_from is None or measured < MEASURED_UNITS:
            return []
        rate = measured / max(time.monotonic() - self._measured_from, 1e-9)
        left = [] if self.total is None else [f"{_clock((self.total - self.count) / rate)} left"]
        return [f"{rate:.3g}/s", *left]


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"
