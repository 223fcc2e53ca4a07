"""The variants that are trained: a recipe each, in two tables."""

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
        table: 1 for the paper's own objectives, 2 for what goes beyond the paper.
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
    Variant("avsa-regression", 1, "tab:red", "rotation regression"),
    Variant("avsa-clip", 1, "tab:green", "AVSA, negatives of the same clip"),
    Variant("avsa-no-curriculum", 1, "tab:cyan", "the same without curriculum"),
    Variant("avsa-no-transformer", 1, "tab:purple", "the same without transformer"),
    Variant("avsa-mlp", 1, "tab:pink", "the same, each view translated alone (mlp)"),
    Variant("avsa-within-clip", 2, "tab:brown", "published negatives + InfoNCE within clips"),
    Variant("avsa-intensity", 2, "tab:olive", "+ intensity vectors"),
    Variant("avsa-guided", 2, "tab:orange", "+ views where audio is loud"),
    Variant("avsa-objects", 2, "tab:purple", "+ views where objects are"),
    Variant("avsa-all", 2, "tab:red", "+ intensity vectors, views where audio is loud"),
    Variant("speedrun", 2, "tab:cyan", "+ intensity vectors, no curriculum, no transformer"),
    Variant("control", 2, "tab:gray", "avsa-all, trained on randomly rotated audio"),
)
BY_NAME = {each.name: each for each in VARIANTS}
PUBLISHED, PLAIN = "avsa", "avsa-clip"
"""AVSA as published, and AVSA to which the additions of table 2 are compared."""
SEGMENTED = ("avc", "avc-4views", PUBLISHED, PLAIN)
"""Variants whose features are tested by segmentation, which takes longest."""
ON_RECORDINGS = ("avc-4views", PUBLISHED, PLAIN, "avsa-all", "control")
"""Variants that are tested on real recordings."""


def of_table(number: int) -> list[Variant]:
    """Return the variants of a table; table 2 begins with plain AVSA."""
    return [each for each in VARIANTS if each.table == number or each.name == PLAIN]
