"""The command line of the benchmarks."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from benchmarks.areas import area_names, cases_of
from benchmarks.case import Case, Skipped
from benchmarks.material import Material
from benchmarks.results import REGRESSION, CaseResult, Results, changes, measure


@click.command(epilog=f"Areas: {', '.join(area_names())}. Costs and their targets: docs/speed.md.")
@click.argument("areas", nargs=-1, metavar="[AREA]...")
@click.option("--runs", default=15, show_default=True, help="Turns: how often each way runs.")
@click.option("--inputs", default=4, show_default=True, help="Random inputs of each way in a turn.")
@click.option("--core", default=0, show_default=True, help="Number of the core to run on.")
@click.option("--tiny", is_flag=True, help="Tiny inputs and one turn, to test the benchmarks.")
@click.option(
    "--media",
    type=click.Path(path_type=Path),
    help="Folder of videos of 10 s with audio files, to use instead of synthetic scenes.",
)
@click.option(
    "--material",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder to keep the inputs in; a later run with it starts sooner.",
)
@click.option("--json", "out", type=click.Path(path_type=Path), help="File for the results.")
@click.option(
    "--compare",
    "kept",
    type=click.Path(path_type=Path, exists=True),
    help="File of earlier results. The exit code is 1 if a ratio is worse by more than 20 %.",
)
def main(
    areas: tuple[str, ...],
    runs: int,
    inputs: int,
    core: int,
    tiny: bool,
    media: Path | None,
    folder: Path | None,
    out: Path | None,
    kept: Path | None,
) -> None:
    """Measure how fast this package does its jobs, beside other ways to do them.

    Measures each AREA, by default all, on one core. The ways of doing a job take turns. Prints the
    median cost of each way, and the median of the ratios of the turns.
    """
    names = area_names()
    if unknown := [name for name in areas if name not in names]:
        raise click.UsageError(f"unknown area {unknown[0]!r}; areas: {', '.join(names)}")
    _bind(core)
    results = Results.begin()
    with tempfile.TemporaryDirectory(prefix="avsa-bench-") as temporary:
        material = Material(folder or Path(temporary), tiny=tiny, media=media)
        if tiny:
            runs = inputs = 1
        for line in _origin(results):
            print(line)
        for area in areas or names:
            run_area(area, cases_of(area, material), runs, inputs, results)
            if out:
                results.save(out)
    if kept and print_changes(results, Results.load(kept)):
        sys.exit(1)


def run_area(
    area: str, cases: Iterable[Case | Skipped], runs: int, inputs: int, results: Results
) -> None:
    """Measure the cases of an area, print each, and add them to the results."""
    print(f"\n{area}")
    for case in cases:
        if isinstance(case, Skipped):
            results.skipped[case.name] = case.reason
            print(f"  {case.name}: not measured: {case.reason}")
        else:
            result = results.cases[case.name] = measure(area, case, runs, inputs)
            print("\n".join(_lines(case, result)), flush=True)


def print_changes(now: Results, kept: Results) -> bool:
    """Print every ratio beside the kept one; return whether one is a regression."""
    print(f"\ncompared with {kept.commit[:12] or 'unknown'} of {kept.date}, {_where(kept)}")
    found = False
    for change in changes(now, kept):
        found |= change.is_regression
        mark = f"WORSE by more than {REGRESSION - 1:.0%}" if change.is_regression else ""
        print(f"  {change.case}: {change.ratio}")
        print(f"    {change.kept:10.3f} -> {change.now:10.3f}  {mark}")
    for name, reason in now.skipped.items():
        if name in kept.cases:
            print(f"  {name}: not measured now: {reason}")
    return found


def _lines(case: Case, result: CaseResult) -> list[str]:
    limits = {limit.of: limit for limit in case.limits}
    lines = [f"  {case.name}"]
    for name, cost in result.costs.items():
        target = ""
        if limit := limits.get(name):
            target = _target(limit.at_least, limit.at_most)
        lines.append(f"    {name:60}{cost:12.4g} {result.unit:10}{target}")
    for ratio in case.ratios:
        target = _target(ratio.at_least, ratio.at_most)
        lines.append(f"    {ratio.name:60}{result.ratios[ratio.name].value:12.3f} {'':10}{target}")
    return lines


def _target(at_least: float | None, at_most: float | None) -> str:
    if at_least is not None:
        return f"at least {at_least:g}"
    return "" if at_most is None else f"at most {at_most:g}"


def _origin(results: Results) -> list[str]:
    versions = ", ".join(f"{name} {it}" for name, it in results.machine["versions"].items())
    changed = ", with changes" if results.dirty else ""
    return [f"{results.commit[:12]}{changed}, {results.date}, {_where(results)}", versions]


def _where(results: Results) -> str:
    machine = results.machine
    return (
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}, "
        f"Python {machine['python']}"
    )


def _bind(core: int) -> None:
    """Start this program again with one thread for each library, on one core.

    Libraries read these variables when they are loaded and then create their threads. Threads that
    spin would count as work.
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
        os.environ.update({f"{name}_NUM_THREADS": "1" for name in names})
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
