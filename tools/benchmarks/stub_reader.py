"""A reader for decoder processes that does not read: what remains is the work around it."""

from __future__ import annotations

import os
import time

VARIABLE = "BENCH_READ_S"


class SleepingReader:
    """Sleeps for `VARIABLE` seconds, by default 0; a stub of `avsa.data.clip_reader.ClipReader`."""

    def __init__(self) -> None:
        self.read_s = float(os.environ.get(VARIABLE, "0"))

    def will_read(self, *_: object) -> None:
        """Do nothing."""

    def locate(self, *_: object) -> None:
        """Do nothing."""

    def read(self, *_: object) -> None:
        """Sleep as long as reading and decoding the windows of a clip."""
        if self.read_s:
            time.sleep(self.read_s)
