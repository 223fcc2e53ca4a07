"""Choose the thresholds of a check without one group of recordings, and judge that group with them.

    PYTHONPATH=tools python -m quality.real_bench FOLDER --json real.json
    PYTHONPATH=tools python -m quality.report --tune --json made.json
    PYTHONPATH=tools python -m quality.left_out real.json made.json --check still-image

Measurements do not depend on thresholds, so nothing is decoded again. Each threshold is moved over
a range around its value, and the middle of the interval with the fewest errors on all other
recordings is chosen. The group that was left out is then judged with all chosen thresholds at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality.cases import CASES, is_right, outcome_of
from quality.real_bench import Labelled, right_on
from yt360.errors import UserError
from yt360.quality.checks import CHECKS
from yt360.quality.verdict import Verdict

STEPS = np.linspace(-1, 1, 41)
"""Positions in the range of a threshold: from half to twice its value, or 6 dB on both sides."""


@dataclass(frozen=True)
class Example:
    """Measurements of one recording, and which verdicts on it are right."""

    group: str
    numbers: Mapping[str, float]
    is_right: Callable[[Verdict], bool]


def real_examples(rows: Iterable[Mapping[str, Any]], check: str) -> Iterator[Example]:
    """Yield the labelled real recordings that a check measures."""
    for row in rows:
        one = Labelled(**row)
        numbers = one.verdicts.get(check, {}).get("numbers", {})
        right = right_on(check, one.label)
        if numbers and right is not None:
            yield Example(one.group, numbers, right)


def made_examples(rows: Iterable[Mapping[str, Any]], check: str) -> Iterator[Example]:
    """Yield the generated recordings of a check; all are of one group."""
    for row in rows:
        case = CASES[row["case"]]
        if case.check == check:
            yield Example("made", row["numbers"], _right_verdict(row))


def _right_verdict(row: Mapping[str, Any]) -> Callable[[Verdict], bool]:
    case = CASES[row["case"]]
    return lambda verdict: is_right(case, row["kind"], row["expected"], outcome_of(verdict))


def thresholds(check: str) -> dict[str, float]:
    """Return the numeric options of a check."""
    config = CHECKS.configure(check, {})
    values = {each.name: getattr(config, each.name) for each in fields(config)}  # type: ignore[arg-type]
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, float) and not isinstance(value, bool)
    }


def candidates(value: float) -> NDArray[np.float64]:
    """Return the values between which a threshold is chosen; (len(STEPS),), ascending."""
    return value + 6.0 * STEPS if value < 0 else value * 2.0**STEPS


def errors_of(
    check: str, name: str, values: Sequence[float], examples: Sequence[Example]
) -> NDArray[np.bool_]:
    """Return whether each example is judged wrong with each value of one threshold; (V, N)."""
    wrong = np.ones((len(values), len(examples)), dtype=bool)
    for place, value in enumerate(values):
        judged = _judge_all(check, {name: value}, examples)
        if judged is not None:
            wrong[place] = judged
    return wrong


def _judge_all(
    check: str, options: Mapping[str, float], examples: Sequence[Example]
) -> NDArray[np.bool_] | None:
    """Return whether each example is judged wrong; None if the options are not allowed."""
    try:
        config = CHECKS.configure(check, dict(options))
    except UserError:
        return None
    return np.array([not one.is_right(config.judge(one.numbers, {})) for one in examples])


def choose(errors: NDArray[np.int64]) -> int:
    """Return the place of the candidate that is chosen by the number of errors with each.

    It is the middle of the run with the fewest errors nearest to the shipped value, which stands in
    the middle. Where no recording bounds the run on one side, it is the shipped value, or the place
    of the run nearest to it.
    """
    middle = len(errors) // 2
    best = (errors == errors.min()).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], best, [0]]))).reshape(-1, 2)
    first, last = min(
        ((int(start), int(stop) - 1) for start, stop in edges),
        key=lambda run: max(run[0] - middle, middle - run[1], 0),
    )
    if first > 0 and last < len(errors) - 1:
        return (first + last) // 2
    return min(max(middle, first), last)


def main() -> int:
    """Run the tool; return 1 if a left-out group is judged worse than by the shipped thresholds."""
    options = _parse()
    real, made = (json.loads(path.read_text()) for path in (options.real, options.made))
    good = True
    print(
        "| check | groups | thresholds | wrong, shipped | wrong, left out |\n|---|---|---|---|---|"
    )
    for check in options.check or list(CHECKS):
        examples = [*real_examples(real, check), *made_examples(made, check)]
        groups = sorted({one.group for one in examples} - {"made"})
        if not groups:
            continue
        names = thresholds(check)
        places = {name: candidates(value) for name, value in names.items() if value}
        wrong = {
            name: errors_of(check, name, list(values), examples) for name, values in places.items()
        }
        shipped = _judge_all(check, {}, examples)
        assert shipped is not None
        is_real = np.array([one.group != "made" for one in examples])
        lines, total = [], 0
        for group in groups:
            inside = np.array([one.group == group for one in examples])
            chosen = {
                name: float(values[choose(wrong[name][:, ~inside].sum(axis=1))])
                for name, values in places.items()
            }
            mine = [one for one, is_in in zip(examples, inside, strict=True) if is_in]
            judged = _judge_all(check, chosen, mine)
            failed = len(mine) if judged is None else int(judged.sum())
            total += failed
            if failed:
                lines.append(f"  {check}: {group}: {failed} of {len(mine)} wrong")
        before = int((shipped & is_real).sum())
        good &= total <= before
        print(f"| {check} | {len(groups)} | {len(places)} | {before} | {total} |")
        print(*lines, sep="\n", end="\n" if lines else "")
    return 0 if good else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path, help="verdicts of quality.real_bench --json")
    parser.add_argument("made", type=Path, help="cases of quality.report --tune --json")
    parser.add_argument("--check", action="append", help="only this check; repeatable")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
