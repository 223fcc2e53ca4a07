"""Fuzz the readers of untrusted data: every input must be accepted or refused in one line.

    PYTHONPATH=tools python -m fuzzing    # all doors, 10,000 inputs each
    PYTHONPATH=tools python -m fuzzing --inputs 500 --door "dataset.json" --keep faults
    PYTHONPATH=tools python -m fuzzing --door "dataset.json" --only 1234    # one input again

An input is determined by seed, door and number. Doors that take long (whole commands, processes,
servers) get fewer inputs; the table says how many. The exit code is 1 when there is any fault.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path

import click

from fuzzing.door import Door, write_files
from fuzzing.doors import DOORS
from fuzzing.run import Report, fuzz
from fuzzing.trial import FAULTS, Result
from yt360.errors import did_you_mean


@click.command()
@click.option("--inputs", default=10_000, show_default=True, help="Most inputs of a door.")
@click.option("--seed", default=0, show_default=True, help="Other seeds give other inputs.")
@click.option("--door", "names", multiple=True, help="Only this door; may be given several times.")
@click.option("--only", type=int, help="Only the input of this number, in this process.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for inputs with faults.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write figures.")
def main(
    inputs: int,
    seed: int,
    names: tuple[str, ...],
    only: int | None,
    keep: Path | None,
    json_file: Path | None,
) -> None:
    """Try mutated inputs at every door and print a table in Markdown."""
    doors = [_door(name) for name in names] or list(DOORS)
    if only is not None:
        for door in doors:
            _show(door, seed, only)
        return
    reports = []
    for door in doors:
        report = fuzz(
            door, seed, range(max(round(inputs * door.fraction), 4)), _keeper(door, seed, keep)
        )
        reports.append(report)
        print(_line(report), file=sys.stderr, flush=True)
    print(table(reports))
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(each) for each in reports], indent=1))
    sys.exit(any(report.faults for report in reports))


def table(reports: list[Report]) -> str:
    """Return the figures as a table in Markdown."""
    head = ("door", "inputs", "accepted", "refused", *FAULTS, "peak MB", "seconds")
    rows = [head, ("---", *["---:"] * (len(head) - 1)), *map(_cells, reports)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(report: Report) -> tuple[str, ...]:
    counts = (report.counts.get(kind, 0) for kind in ("accepted", "refused", *FAULTS))
    figures = (report.inputs, *counts, round(report.peak_mb), round(report.seconds))
    return (report.door, *(f"{figure:,}" for figure in figures))


def _door(name: str) -> Door:
    known = {door.name: door for door in DOORS}
    if name not in known:
        raise click.BadParameter(f"no door {name!r}{did_you_mean(name, known)}")
    return known[name]


def _keeper(door: Door, seed: int, keep: Path | None):  # type: ignore[no-untyped-def]
    """Return what prints a fault, and keeps its input."""

    def see(result: Result) -> None:
        if result.verdict not in FAULTS:
            return
        print(f"  {door.name} {result.number}: {result.verdict}: {result.detail}", file=sys.stderr)
        if keep is not None:
            folder = keep / f"{door.name.replace(' ', '-').replace('/', '-')}-{result.number}"
            write_files(folder, door.input(seed, result.number))

    return see


def _line(report: Report) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items()))
    return f"{report.door}: {counts}; {report.peak_mb:.0f} MB, {report.seconds:.0f} s"


def _show(door: Door, seed: int, number: int) -> None:
    """Read one input in this process, and show what comes of it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        files = door.input(seed, number)
        write_files(Path(folder), files)
        for name, content in files.items():
            print(f"{name}: {len(content)} bytes, {content[:300]!r}")
        try:
            door.read(Path(folder))
        except Exception:
            traceback.print_exc()
        else:
            print("accepted")


if __name__ == "__main__":
    main()
