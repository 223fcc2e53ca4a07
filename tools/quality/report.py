"""Evaluate the quality checks on generated and real recordings, and print confusion matrices.

    PYTHONPATH=tools python -m quality.report --report            # the published figures
    PYTHONPATH=tools python -m quality.report --tune              # where the thresholds come from
    PYTHONPATH=tools python -m quality.report --report --real FOLDER

Every generated recording is a pure function of (seed, kind, number). `--tune` draws with one seed,
`--report` with another, so thresholds are not evaluated on the data they were tuned on. "clean" is
unchanged; "coded" has microphone noise and gain errors, then AAC or Opus at a video site's bit
rates (audio), or H.264 at a poor quality (video).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from quality.cases import CASES, REAL, Job, Result, run_job
from yt360.quality.inspect import inspect_file

TUNE_SEED, REPORT_SEED = 1, 5
VARIANTS = ("clean", "coded")


def main() -> int:
    """Run the tool."""
    options = _parse()
    seed = TUNE_SEED if options.tune else REPORT_SEED
    names = options.only.split(",") if options.only else list(CASES)
    jobs = [
        Job(name, kind, variant, seed, number)
        for name in names
        for kind in CASES[name].kinds
        for variant in CASES[name].variants
        for number in range(options.count)
    ]
    started = time.monotonic()
    with multiprocessing.Pool(options.processes) as pool:
        results = list(pool.imap_unordered(run_job, jobs, chunksize=2))
    seconds = time.monotonic() - started
    print(f"{len(results)} cases of seed {seed} in {seconds:.0f} s")
    good = True
    for name in names:
        mine = [result for result in results if result.job.case == name]
        if options.tune:
            _print_numbers(name, mine)
        good &= _print_matrix(name, mine)
    if options.json:
        options.json.write_text(json.dumps([result.as_json() for result in results], indent=1))
    if options.real:
        good &= _print_real(options.real)
    return 0 if good or options.tune else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--report", action="store_true", help="judge, on the seed for reports")
    what.add_argument("--tune", action="store_true", help="show the numbers, on the other seed")
    parser.add_argument("--count", type=int, default=20, help="cases of each kind")
    parser.add_argument("--only", help=f"some of {','.join(CASES)}")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--real", type=Path, help="folder with the real recordings")
    parser.add_argument("--json", type=Path, help="write every case here")
    return parser.parse_args()


def _print_matrix(name: str, results: list[Result]) -> bool:
    """Print the results of each kind; return whether the goals are met."""
    good = True
    for variant in CASES[name].variants:
        mine = [result for result in results if result.job.variant == variant]
        columns = sorted({result.found for result in mine}, key=lambda c: (c != "ok", c))
        print(f"\n{name}, {variant}: found (columns) for made (rows)")
        width = max(len(result.job.kind) for result in mine) + 2
        print(
            " " * width + "expected".ljust(18) + " ".join(c.rjust(max(len(c), 5)) for c in columns)
        )
        for kind in CASES[name].kinds:
            row = [result for result in mine if result.job.kind == kind]
            counts = Counter(result.found for result in row)
            cells = " ".join(str(counts[c] or ".").rjust(max(len(c), 5)) for c in columns)
            print(kind.ljust(width) + row[0].expected.ljust(18) + cells)
        right = sum(result.right for result in mine)
        goal = 0.99 if variant == "clean" else 0.95
        fraction = right / len(mine)
        exact = sum(result.found == result.expected for result in mine) / len(mine)
        good &= fraction >= goal
        print(
            f"right: {right} of {len(mine)} = {fraction:.1%} (goal {goal:.0%}); "
            f"with the very reason: {exact:.1%}"
        )
        for result in mine:
            if not result.right:
                print(f"  wrong: {result.job} {result.found}, {_short(result.numbers)}")
    return good


def _print_numbers(name: str, results: Iterable[Result]) -> None:
    """Print the spread of each deciding number by kind, for choosing thresholds."""
    spread: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for key in CASES[name].deciding:
            if key in result.numbers:
                spread[key, result.job.variant][result.job.kind].append(result.numbers[key])
    for (key, variant), kinds in spread.items():
        print(f"\n{name}: {key}, {variant}: least, 5 %, half, 95 %, most")
        for kind, values in kinds.items():
            marks = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
            print(f"  {kind:26s}" + " ".join(f"{mark:9.3f}" for mark in marks))


def _print_real(folder: Path) -> bool:
    """Inspect the real recordings and compare with their known properties."""
    good = True
    print("\nreal recordings")
    for name, expected in REAL.items():
        path = folder / name
        if not path.is_file():
            print(f"  {name}: not there")
            continue
        verdicts = inspect_file(path).verdicts
        for test, reason in expected.items():
            found = verdicts[test].reason
            good &= found == reason
            mark = "right" if found == reason else f"WRONG, expected {reason}"
            print(f"  {name}: {test}: {verdicts[test].outcome.value} ({found}) {mark}")
    return good


def _short(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())


if __name__ == "__main__":
    sys.exit(main())
