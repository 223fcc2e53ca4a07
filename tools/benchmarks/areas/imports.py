"""What commands and worker processes import before they do anything."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.case import Case, Ratio
from benchmarks.commands import run_python
from benchmarks.material import Material
from benchmarks.meters import Way, result

BARE = "python -c 'import click'"
STARTS = {
    "yt360 --help": ("-m", "yt360", "--help"),
    "yt360 build-shards --help": ("-m", "yt360", "build-shards", "--help"),
    "avsa --help": ("-m", "avsa", "--help"),
    "avsa train --help": ("-m", "avsa", "train", "--help"),
    "imports of build-shards": ("-c", "import yt360.shards.builder.build"),
    "imports of a decoder process": (
        "-c", "import avsa.data.decoder_process, yt360.clip_codec.decoder",
    ),
}  # fmt: skip


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    starts = dict(list(STARTS.items())[:1]) if material.tiny else STARTS
    yield Case(
        "start of commands and worker processes",
        {name: _start(*arguments) for name, arguments in starts.items()}
        | {BARE: _start("-c", "import click")},
        [Ratio(name, BARE) for name in starts],
        meter=result,
        runs=5,
        inputs=1,
        warm_up=1,
    )


def _start(*arguments: str) -> Way:
    return lambda _: 1e3 * run_python(*arguments).cpu_s
