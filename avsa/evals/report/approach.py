"""How a model was trained, in the words of the paper's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avsa.evals.result import Subject
from avsa.evals.subject import KINETICS, SCRATCH

_NAMES = {
    "avc": "AVC",
    "avts": "AVTS",
    "avsa": "AVSA",
    "regression": "Regression",
    SCRATCH: "Scratch",
    KINETICS: "Kinetics supervised",
    "": "Unknown recipe",
}
_NETWORKS = {"none": "no transf.", "transformer": "transf."}


@dataclass(frozen=True)
class Approach:
    """How a model was trained.

    Attributes:
        task: The pretext task of the last stage, ``scratch``, ``kinetics``, or empty if unknown.
        translation: Kind of the translation networks.
        curriculum: Whether another task came first.
    """

    task: str
    translation: str = "none"
    curriculum: bool = False

    @property
    def translates(self) -> bool:
        """Whether there are translation networks."""
        return self.translation != "none"

    def label(self, always_networks: bool = False) -> str:
        """Return the name of a row.

        Args:
            always_networks: Whether to name the translation networks also where they are the
                usual ones: a transformer for AVSA, and none for other tasks.
        """
        words = [_NAMES.get(self.task, self.task)]
        if self.task in (SCRATCH, KINETICS):
            return words[0]
        usual = "transformer" if self.task == "avsa" else "none"
        if always_networks or self.translation != usual:
            words.append(_NETWORKS.get(self.translation, self.translation))
        if self.task in ("avts", "avsa") and not self.curriculum:
            words.append("no curriculum")
        return " ".join(words)


def approach_of(subject: Subject) -> Approach:
    """Return the approach of an evaluated model."""
    if subject.name in (SCRATCH, KINETICS) and not subject.recipe:
        return Approach(subject.name)
    return approach_of_recipe(subject.recipe, subject.stage)


def approach_of_recipe(recipe: Mapping[str, Any], stage: str = "") -> Approach:
    """Return the approach of a recipe, of which any value may be missing or of a wrong type.

    Args:
        recipe: Nested mappings, see `avsa.config.train_config.TrainConfig`.
        stage: The stage in which the weights were saved; the last one if there is none.
    """
    stages = as_mapping(recipe.get("stages"))
    names = list(stages)
    if stage in names:
        names = names[: names.index(stage) + 1]
    tasks = [as_mapping(as_mapping(stages[name]).get("task")) for name in names]
    kinds = [str(task.get("kind", "")) for task in tasks]
    if not kinds:
        return Approach("")
    translation = as_mapping(tasks[-1].get("translation")).get("kind", "none")
    return Approach(kinds[-1], str(translation), curriculum=len(set(kinds)) > 1)


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return an untrusted value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}
