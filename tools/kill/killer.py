"""Kill a command until it completes, and compare its results."""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kill.compare import Snapshot, differences, snapshot
from kill.process import Kill, Launcher, Moment, Run, let_time_pass
from kill.stages import Stage

SIGNALS = {"SIGKILL": 0.66, "SIGKILL of a child": 0.14, "SIGTERM": 0.1, "SIGINT": 0.1}
MOST_KILLS_IN_A_ROW = 6
MOST_STARTS = 20
MOST_CASES_PER_KILL = 3
PYTHONS_OWN = ("EOFError: Ran out of input", "Exception ignored in")
"""Tracebacks of Python itself: its child's parent was killed while the child started; an interrupt
came in a callback of the garbage collector, or after the end of the command."""
EXIT_CODES = {"SIGKILL": {-9}, "SIGTERM": {143, -15}, "SIGINT": {130, -2}}


@dataclass
class Case:
    """A command that was killed until it completed.

    Attributes:
        stage: Name of the stage.
        number: Number of the case; with the seed it determines the kills.
        kills: Kills while the command ran.
        faults: Differences and other faults.
        compared: Whether it completed and was compared.
    """

    stage: str
    number: int
    kills: list[Kill] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    compared: bool = False


@dataclass(frozen=True)
class Reference:
    """The result and duration of an undisturbed run."""

    result: Snapshot
    seconds: float
    changes: int


class Killer:
    """Runs cases.

    Args:
        material: Folder of the material.
        out: Folder of the cases.
        launcher: Starts commands.
        seed: Seed of times and signals.
    """

    def __init__(self, material: Path, out: Path, launcher: Launcher, seed: int) -> None:
        self._material, self._out, self._launcher, self._seed = material, out, launcher, seed

    def stage(self, stage: Stage, first: int, quota: int) -> list[Case]:
        """Run cases of a stage until it has received `quota` kills; print the faults."""
        try:
            reference = self.reference(stage)
        except RuntimeError as error:
            print(f"{stage.name}: {error}", file=sys.stderr)
            return [Case(stage.name, first, faults=[str(error)])]
        cases: list[Case] = []
        kills = 0
        while kills < quota and len(cases) < MOST_CASES_PER_KILL * quota:
            cases.append(self.case(stage, first + len(cases), reference))
            kills += len(cases[-1].kills)
            for fault in cases[-1].faults:
                print(f"{stage.name}, case {cases[-1].number}: {fault}", file=sys.stderr)
        print(f"{stage.name}: {kills} kills, {reference.seconds:.1f} s", file=sys.stderr)
        return cases

    def reference(self, stage: Stage) -> Reference:
        """Run a stage twice without disturbing it.

        Raises:
            RuntimeError: It fails, or the two results differ.
        """
        results = []
        for number in range(2):
            folder = self._prepare(stage, f"reference-{number}")
            run = self._launcher.run(stage, folder)
            if run.code:
                raise RuntimeError(f"{stage.name} fails by itself: {run.errors}")
            results.append(self._result(stage, folder, run))
        if different := differences(*results):
            raise RuntimeError(f"{stage.name} differs from run to run: {different[:3]}")
        return Reference(results[0], run.seconds, run.changes)

    def case(self, stage: Stage, number: int, reference: Reference) -> Case:
        """Kill a stage until it completes, and compare; equal folders are removed."""
        case = Case(stage.name, number)
        rng = random.Random(f"{self._seed}/{stage.name}/{number}")
        folder = self._prepare(stage, f"case-{number:04d}")
        planned = rng.randint(1, MOST_KILLS_IN_A_ROW)
        for start in range(MOST_STARTS):
            kill = self._draw(rng, reference, case) if start < planned else None
            run = self._launcher.run(stage, folder, kill)
            case.faults += _faults_of(run, kill)
            if kill is not None and run.landed:
                case.kills.append(kill)
            lost_child = kill is not None and run.landed and kill.signal == "SIGKILL of a child"
            if run.code == 0 and not lost_child:  # with a child, work may wait for the next run
                case.compared = True
                case.faults += differences(reference.result, self._result(stage, folder, run))
                break
            let_time_pass(folder)
        else:
            case.faults.append(f"not through after {MOST_STARTS} starts")
        if not case.faults:
            shutil.rmtree(folder.parent)
        return case

    def _draw(self, rng: random.Random, reference: Reference, case: Case) -> Kill:
        # A clip whose decoder dies twice is rejected, which is correct.
        once = any(kill.signal == "SIGKILL of a child" for kill in case.kills)
        names = [name for name in SIGNALS if not (once and name == "SIGKILL of a child")]
        signal = rng.choices(names, [SIGNALS[name] for name in names])[0]
        if rng.random() < 0.5:
            return Kill(signal, Moment(after_s=rng.uniform(0, reference.seconds)), rng.random())
        late = rng.random() < 0.6
        change = rng.randint(reference.changes * 3 // 4 if late else 1, reference.changes or 1)
        delay_s = rng.choice([0.0, rng.uniform(0, 0.02)])
        return Kill(signal, Moment(after_changes=change, after_s=delay_s), rng.random())

    def _prepare(self, stage: Stage, name: str) -> Path:
        folder = self._out / stage.name.replace(", ", " ").replace(" ", "-") / name / "work"
        if folder.parent.exists():
            shutil.rmtree(folder.parent)
        folder.mkdir(parents=True)
        for each in stage.inputs:
            source, target = self._material / each, folder / Path(each).name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        return folder

    def _result(self, stage: Stage, folder: Path, run: Run) -> Snapshot:
        printed = {"(printed)": run.output} if stage.prints else {}
        return snapshot(folder) | printed


def _faults_of(run: Run, kill: Kill | None) -> list[str]:
    faults = [f"left running: {orphan}" for orphan in run.orphans]
    if "Traceback" in run.errors and not any(text in run.errors for text in PYTHONS_OWN):
        faults.append(f"traceback: {run.errors[-2000:]}")
    if run.code is None:
        faults.append("it did not end")
    elif run.code != 0:
        signal = kill.signal if kill else ""
        if signal in EXIT_CODES and run.code not in EXIT_CODES[signal]:
            faults.append(f"exit code {run.code} after {signal}: {run.errors[-500:]}")
        if not run.landed:
            faults.append(f"exit code {run.code} by itself: {run.errors[-500:]}")
    return faults


def table(cases: list[Case]) -> str:
    """Return a table in Markdown: kills by stage and signal, runs compared, differences."""
    lines = [
        f"| stage | {' | '.join(SIGNALS)} | runs compared | that differ |",
        f"|---|{'--:|' * (len(SIGNALS) + 2)}",
    ]
    names = list(dict.fromkeys(case.stage for case in cases))
    for name in [*names, "all"]:
        own = [case for case in cases if name in (case.stage, "all")]
        counts = Counter(kill.signal for case in own for kill in case.kills)
        numbers = [*(counts[signal] for signal in SIGNALS)]
        numbers += [sum(case.compared for case in own), sum(bool(case.faults) for case in own)]
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)
