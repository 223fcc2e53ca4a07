"""The variants that are trained: a recipe each, in three tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avsa.config.recipe import load_config
from claims.size import Size

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Variant:
    """A way of training.

    Attributes:
        name: Name in tables and files, and of its recipe.
        table: Number of its table, see `TABLES`.
        color: Colour of its curves.
        label: What it is, for readers.
    """

    name: str
    table: int
    color: str
    label: str

    @property
    def recipe(self) -> Path:
        """File of the recipe."""
        return RECIPES / f"{self.name}.yaml"

    def overrides(self, size: Size, seed: int) -> list[str]:
        """Return the changes of the recipe, as for ``avsa train --set``.

        Steps are those of the recipe times `Size.steps`, at least one a stage.
        """
        config = load_config(str(self.recipe))
        changes = [f"seed={seed}", "data.num_workers=1", *size.recipe]
        if size.steps != 1:
            changes += [
                f"stages.{name}.steps={max(round(stage.steps * size.steps), 1)}"
                for name, stage in config.stages.items()
            ]
            every = max(round(config.validation.every_steps * size.steps), 1)
            warmup = round(config.optimizer.warmup_steps * size.steps)
            changes += [f"validation.every_steps={every}", f"optimizer.warmup_steps={warmup}"]
        return changes


VARIANTS = (
    Variant("avc", 1, "tab:gray", "AVC, one view"),
    Variant("avc-4views", 1, "tab:olive", "AVC, four views"),
    Variant("avc-transformer", 1, "tab:brown", "AVC, four views, translated"),
    Variant("avts", 1, "tab:orange", "AVTS"),
    Variant("avsa", 1, "tab:blue", "AVSA, negatives of the published code"),
    Variant("avsa-clip", 1, "tab:green", "AVSA, negatives of the same clip"),
    Variant("avc-intensity", 2, "tab:olive", "AVC, four views"),
    Variant("avts-intensity", 2, "tab:orange", "AVTS"),
    Variant("avsa-published-intensity", 2, "tab:blue", "AVSA, negatives of the published code"),
    Variant("avsa-intensity", 2, "tab:green", "AVSA, negatives of the same clip"),
    Variant("avsa-no-curriculum", 2, "tab:cyan", "the same without curriculum"),
    Variant("avsa-no-transformer", 2, "tab:purple", "the same without transformer"),
    Variant("speedrun", 2, "black", "the same without both"),
    Variant("avsa-mlp", 2, "tab:pink", "the same, each view translated alone (mlp)"),
    Variant("avsa-regression", 2, "tab:red", "regression of the rotation"),
    Variant("avsa-within-clip", 3, "tab:brown", "published negatives + InfoNCE within clips"),
    Variant("avsa-guided", 3, "tab:orange", "views where the audio is loud"),
    Variant("avsa-objects", 3, "tab:purple", "views where objects are"),
    Variant("control", 3, "tab:gray", "trained on randomly rotated audio"),
)
TABLES = {
    1: "with the paper's audio",
    2: "with intensity vectors",
    3: "with intensity vectors, further beyond the paper",
}
BY_NAME = {each.name: each for each in VARIANTS}
PUBLISHED, PLAIN = "avsa", "avsa-clip"
"""AVSA with the negatives of the published code, and with those of the same clip."""
PUBLISHED_INTENSITY, INTENSITY = "avsa-published-intensity", "avsa-intensity"
"""The same with intensity vectors."""
FAST = "speedrun"
"""The recipe that reaches the best accuracy in the least time."""
CONTROL = "control"
"""Learns from audio that is rotated at random, so alignment cannot be learned."""
ON_RECORDINGS = ("avc-intensity", PLAIN, INTENSITY, FAST, CONTROL)
"""Variants that are tested on real recordings."""


def of_table(number: int) -> list[Variant]:
    """Return the variants of a table; table 3 begins with the one that others are compared to."""
    compared = INTENSITY if number == 3 else None
    return [each for each in VARIANTS if each.table == number or each.name == compared]
