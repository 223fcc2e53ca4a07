"""Commands that fill the missing numbers of a table."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avsa.evals.report.contents import Fill, Missing
from avsa.evals.report.runs import Found, Run
from avsa.evals.result import PATH, TEST_PATH

DATASET = "DATASET"
"""Stands in a command for a dataset that is not known."""
SCENES = "SCENES"
"""Stands in a command for the scenes from which the dataset was built."""
ROOTS = {"ucf101": "UCF101", "hmdb51": "HMDB51"}
"""Stand in a command for the folders of UCF101 and HMDB51."""


@dataclass(frozen=True)
class Target:
    """Model and data of a missing evaluation.

    Attributes:
        subject: Folder of the run, ``scratch`` or ``kinetics``.
        data: Dataset; empty if none is needed.
        out: Folder for the results if it is not that of the run.
        recipe: Recipe by which the run is trained first; empty if it exists.
        test_data: Dataset of the test; empty if it is `data`.
    """

    subject: str
    data: str = ""
    out: str = ""
    recipe: str = ""
    test_data: str = ""

    @property
    def training(self) -> str:
        """The command that trains the run."""
        words = ["avsa", "train", "--data", self.data, "--recipe", self.recipe]
        return shlex.join([*words, "--out", self.subject])

    def evaluation(self, kind: str, options: Mapping[str, Any]) -> str:
        """Return the command that carries out an evaluation."""
        words = ["avsa", "eval", kind, self.subject]
        if kind == "action":
            options = {**options, "root": ROOTS.get(str(options.get("dataset")), "DIR")}
        elif self.data:
            words += ["--data", self.data]
            if self.test_data:
                words += ["--test-data", self.test_data]
        if kind == "probe":
            options = {**options, "scenes": SCENES}
        if self.out:
            words += ["--out", self.out]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            if value is True:
                words.append(flag)
            elif value is not False:
                words += [flag, str(value)]
        return shlex.join(words)


def target_of(found: Found) -> Target:
    """Return the target of a record."""
    subject = found.record.subject
    out = "" if subject.recipe else str(found.run)
    data = found.record.data
    return Target(subject.name, data.get(PATH, DATASET), out, test_data=data.get(TEST_PATH, ""))


def target_of_run(run: Run) -> Target:
    """Return the model of a run."""
    return Target(str(run.folder), run.datasets[0] if len(run.datasets) == 1 else DATASET)


@dataclass
class Gaps:
    """The missing numbers of a table.

    Attributes:
        table: Anchor of the table.
    """

    table: str
    _what: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    def add(
        self, what: str, targets: Sequence[Target], kind: str, options: Mapping[str, Any]
    ) -> Missing:
        """Return the cell of a missing number; numbers of equal commands share their commands.

        Args:
            what: The number.
            targets: The models.
            kind: The evaluation.
            options: Its options.
        """
        commands = dict.fromkeys(each.evaluation(kind, options) for each in targets)
        number = self._add(what, tuple(commands))
        return Missing(self._anchor(number), number)

    def add_training(self, what: str, target: Target) -> None:
        """Add the command that trains a run, before those that evaluate it."""
        self._add(what, (target.training,))

    def fills(self) -> tuple[Fill, ...]:
        """Return the commands for all of them."""
        return tuple(
            Fill(self._anchor(number), "; ".join(what), commands)
            for number, (commands, what) in enumerate(self._what.items(), 1)
        )

    def _add(self, what: str, commands: tuple[str, ...]) -> int:
        self._what.setdefault(commands, []).append(what)
        return list(self._what).index(commands) + 1

    def _anchor(self, number: int) -> str:
        return f"{self.table}-missing-{number}"
