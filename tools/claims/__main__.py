"""Measure the paper's claims on synthetic scenes: train every variant, evaluate, compare, report.

    PYTHONPATH=tools python -m claims --out claims                  # everything
    PYTHONPATH=tools python -m claims --out claims --size quick     # five variants, fewer scenes
    PYTHONPATH=tools python -m claims train --out claims --variants avsa avc --seeds 0
    PYTHONPATH=tools python -m claims report --out claims --report docs/results

The parts are scenes, shards, labels, cues, train, evaluate, real and report, each runnable alone;
real needs a folder of labelled recordings (--real-bench), and is left out without one. What is done
is skipped, and what was interrupted continues. Two jobs run at a time, with one thread each;
their output is in OUT/logs. Sizes are in `size`, variants in `variants` and recipes/, claims in
`claims`.

The report has, in --report (by default OUT): claims.md, the tables; claims.csv, every metric;
claims-curves.csv and claims-curves.png, the accuracy over training. OUT/report.html has the paper's
tables.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from claims.jobs import Runner, stop_at_failures
from claims.parts import Grid
from claims.size import SIZES
from claims.variants import BY_NAME
from yt360.errors import UserError

PARTS = ("scenes", "shards", "labels", "cues", "train", "evaluate", "real", "report")


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; 0 when everything is done."""
    options = _parse(arguments)
    size = SIZES[options.size]
    grid = Grid(
        options.out,
        size,
        [BY_NAME[name] for name in options.variants or size.variants or BY_NAME],
        options.seeds or size.seeds,
        options.real_bench,
    )
    runner = Runner(options.out, options.at_a_time)
    try:
        for part in PARTS:
            if options.part in (None, part):
                run_part(part, grid, runner, options.report or options.out)
    except UserError as error:
        sys.exit(f"error: {error}")
    return 0


def run_part(part: str, grid: Grid, runner: Runner, report: Path) -> None:
    """Run one part.

    Args:
        part: One of `PARTS`.
        grid: What is made.
        runner: Runs its jobs.
        report: Folder of tables and figures.
    """
    if part == "report":
        from claims.report import write_report

        write_report(grid, runner, report)
        return
    jobs, at_a_time = {
        "scenes": (grid.scene_jobs, 1),
        "shards": (grid.shard_jobs, 1),
        "labels": (grid.label_jobs, 1),
        "cues": (grid.cue_jobs, 1),
        "train": (grid.training_jobs, None),
        "evaluate": (grid.evaluation_jobs, None),
        "real": (grid.real_jobs, 1),
    }[part]
    stop_at_failures(runner.run(part, jobs(), at_a_time))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="claims", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=PARTS, help="by default all of them")
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--size", choices=SIZES, default="full", help="by default full")
    parser.add_argument("--variants", nargs="+", choices=BY_NAME, help="by default those of --size")
    parser.add_argument("--seeds", type=int, nargs="+", help="by default 0 1")
    parser.add_argument("--at-a-time", type=int, default=2, help="jobs in parallel; by default 2")
    parser.add_argument("--real-bench", type=Path, help="folder of labelled recordings, for real")
    parser.add_argument("--report", type=Path, help="folder of tables and figures; default: OUT")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
