"""Running a command of ours inside a trial."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Literal

from fuzzing.door import Refused, Unclear

MAX_LINE = 5000  # a text of 2,000 characters, some of them as escapes
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def run_command(program: Literal["yt360", "avsa"], *arguments: str) -> None:
    """Run ``yt360`` or ``avsa`` in this process.

    Raises:
        Refused: It ended with code 1 (faults found) or 2 (a bad request).
        Unclear: It printed what a terminal takes for a command.
        Exception: Whatever escapes from it: users would see a traceback.
    """
    from yt360.commands.run import run

    output = io.StringIO()
    code: object = 0
    with redirect_stdout(output), redirect_stderr(output):
        try:
            run(import_module(f"{program}.cli").cli, list(arguments))
        except SystemExit as end:
            code = end.code
    text = output.getvalue()
    if found := _UNPRINTABLE.search(text):
        raise Unclear(f"it prints {found[0]!r}: {text[max(0, found.start() - 60) : found.end()]!r}")
    last = text.strip().rpartition("\n")[2]
    if code in (1, 2) and not 0 < len(last) <= MAX_LINE:
        raise Unclear(f"its last line has {len(last)} characters: {last[:200]!r}")
    if code in (1, 2):
        raise Refused(last)
    if code:
        raise RuntimeError(f"exit code {code}: {text[-300:]}")
