"""Inspect labelled real recordings, and compare the verdicts with the labels.

    PYTHONPATH=tools python -m quality.real_bench FOLDER --json real.json

FOLDER holds ``labels.csv`` and ``clips/``. A label says whether the video moves, what its audio
is, and where the visible source of a sound stands. `--left-out MADE.json` (of ``quality.report
--tune --json``) chooses each deciding threshold again without each group of recordings that were
made together, and judges that group with it.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from yt360.quality.inspect import inspect_file
from yt360.quality.verdict import Outcome, Verdict

Row = Mapping[str, str]


@dataclass(frozen=True)
class Labelled:
    """A recording with its labels and its verdicts.

    Attributes:
        label: Row of ``labels.csv``.
        verdicts: Verdict of each check as JSON values, by name of the check.
    """

    label: Row
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The recordings that were made together."""
        return self.label["recording_group"]

    @property
    def is_usable(self) -> bool:
        """Whether the audio is a first-order sound field in ACN order."""
        return self.label["sound"].startswith("foa")

    def outcome(self, check: str) -> str:
        """Return the outcome of a check; ``"-"`` if it gives none."""
        return str(self.verdicts.get(check, {}).get("outcome", "-"))

    def reason(self, check: str) -> str:
        """Return the reason of a check; ``"-"`` if it gives none."""
        return str(self.verdicts.get(check, {}).get("reason", "-"))


def read_labels(folder: Path) -> list[Row]:
    """Return the rows of the ``labels.csv`` of a folder."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def inspect_labelled(folder: Path, label: Row) -> Labelled:
    """Inspect a labelled recording of a folder."""
    found: Mapping[str, Verdict] = inspect_file(folder / "clips" / label["file"]).verdicts
    return Labelled(label, {name: verdict.as_json() for name, verdict in found.items()})


@dataclass(frozen=True)
class Claim:
    """One line of the table: what must hold for some of the recordings.

    Attributes:
        text: What must hold.
        total: Number of recordings that it concerns.
        accepted: Number that the check accepts, or finds as labelled.
        unsure: Number of unsure verdicts.
        wrong: Names of the others.
        most_unsure: Number of unsure verdicts that are allowed.
    """

    text: str
    total: int
    accepted: int
    unsure: int
    wrong: tuple[str, ...]
    most_unsure: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong and few verdicts are unsure."""
        return not self.wrong and self.unsure <= self.most_unsure


def claims(found: Iterable[Labelled]) -> Iterator[Claim]:
    """Yield what must hold for the verdicts on labelled recordings, and whether it does."""
    found = list(found)
    moving = [one for one in found if one.label["motion"] == "motion"]
    yield _accepts("still-image", "moving recordings", moving)
    yield _accepts("picture", "moving recordings", moving)
    yield _accepts("projection", "equirectangular recordings", found)
    usable = [one for one in found if one.is_usable]
    yield _accepts("spatial-audio", "usable first-order recordings", usable, most_unsure=2)
    yield _finds("spatial-audio", "W X Y Z order", "fuma-order", found)
    yield _finds("spatial-audio", "unusable channels", "unusable", found)
    heard = [one for one in found if not one.label["sound"].startswith("no spatial")]
    yield _accepts(
        "post-production", "recordings without an overlay", heard, most_unsure=len(heard)
    )
    yield _accepts("av-agreement", "usable recordings", usable, most_unsure=len(usable))


def _accepts(check: str, of: str, some: list[Labelled], most_unsure: int = 0) -> Claim:
    outcomes = Counter(one.outcome(check) for one in some)
    wrong = [
        f"{one.label['file']} ({one.reason(check)})"
        for one in some
        if one.outcome(check) == "not ok"
    ]
    text = f"{check}: {of}, accepted"
    return Claim(text, len(some), outcomes["ok"], outcomes["unsure"], tuple(wrong), most_unsure)


def _finds(check: str, of: str, label: str, found: list[Labelled]) -> Claim:
    some = [one for one in found if one.label["sound"] == label]
    wrong = [one.label["file"] for one in some if one.outcome(check) == "ok"]
    unsure = sum(one.outcome(check) == "unsure" for one in some)
    right = len(some) - len(wrong) - unsure
    return Claim(f"{check}: {of}, found", len(some), right, unsure, tuple(wrong), len(some))


def right_on(check: str, label: Row) -> Callable[[Verdict], bool] | None:
    """Return which verdicts of a check are right on a labelled recording; None without a label."""
    never_wrong = {
        "still-image": label["motion"] == "motion",
        "picture": label["motion"] == "motion",
        "projection": True,
        "post-production": not label["sound"].startswith(("no spatial", "unusable")),
        "spatial-audio": label["sound"].startswith("foa"),
        "av-agreement": label["sound"].startswith("foa"),
    }
    if never_wrong.get(check):
        return lambda verdict: verdict.outcome is not Outcome.NOT_OK
    if check == "spatial-audio" and label["sound"] in ("unusable", "fuma-order"):
        return lambda verdict: verdict.outcome is not Outcome.OK
    return None


def main() -> int:
    """Run the tool; return 1 if a claim does not hold."""
    options = _parse()
    folder = options.folder
    if options.verdicts:
        found = [Labelled(**row) for row in json.loads(options.verdicts.read_text())]
    else:
        jobs = [(folder, label) for label in read_labels(folder)]
        with multiprocessing.Pool(options.processes) as pool:
            found = pool.starmap(inspect_labelled, jobs, chunksize=1)
    if options.json:
        options.json.write_text(json.dumps([vars(one) for one in found], indent=1))
    good = True
    print("| claim | of | accepted or found | unsure | wrong |\n|---|---|---|---|---|")
    for claim in claims(found):
        good &= claim.holds
        row = (claim.text, claim.total, claim.accepted, claim.unsure, len(claim.wrong))
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    for claim in claims(found):
        for name in claim.wrong:
            print(f"wrong: {claim.text}: {name}")
    if options.list:
        _print_reasons(found)
    return 0 if good else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder with labels.csv and clips/")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write all verdicts here")
    parser.add_argument("--verdicts", type=Path, help="read the verdicts of an earlier --json")
    parser.add_argument("--list", action="store_true", help="list the reasons of each recording")
    return parser.parse_args()


def _print_reasons(found: Iterable[Labelled]) -> None:
    by_check: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        for check in one.verdicts:
            by_check[check][f"{one.outcome(check)} {one.reason(check)}"].append(one.label["file"])
    for check, reasons in by_check.items():
        print(f"\n{check}")
        for reason, names in reasons.items():
            print(f"  {reason}: {len(names)}: {' '.join(Path(name).stem for name in names)}")


if __name__ == "__main__":
    sys.exit(main())
