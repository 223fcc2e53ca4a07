"""How much is rendered, trained and tested: all numbers in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of everything.

    Attributes:
        name: Name of the size.
        train_scenes: Number of training scenes.
        test_scenes: Number of test scenes.
        duration_s: Length of a scene, which is one clip.
        rows: Height of the panoramas in pixels; they are twice as wide.
        steps: Factor of the steps of every stage of the recipes.
        seeds: Seeds of training.
        variants: Variants that are trained; empty for all.
        cue_draws: Samples of a clip with which the heads of single cues are trained and tested.
        recipe: Changes of all recipes, as for ``avsa train --set``.
        evaluation: Options of evaluations, as for ``avsa eval all --set``.
        skip: Evaluations that are left out, as for ``avsa eval all --skip``.
    """

    name: str
    train_scenes: int
    test_scenes: int
    duration_s: int = 5
    rows: int = 128
    steps: float = 1.0
    seeds: tuple[int, ...] = (0, 1)
    variants: tuple[str, ...] = ()
    cue_draws: int = 2
    recipe: tuple[str, ...] = ()
    evaluation: Mapping[str, object] = field(default_factory=dict)
    skip: tuple[str, ...] = ()


EVALUATION: dict[str, object] = {
    "avc-bin.batch_size": 16,
    "avc-bin.train_draws": 1,
    "avc-bin.schedule.epochs": 5,
    "avc-bin.schedule.lr": 1e-3,
    "avc-bin.schedule.milestones": "[4]",
    "avsa-bin.batch_size": 32,
    "avsa-bin.train_draws": 2,
    "avsa-bin.test_draws": 2,
    "avsa-bin.schedule.epochs": 5,
    "avsa-bin.schedule.lr": 1e-3,
    "avsa-bin.schedule.milestones": "[4]",
    "segmentation.views": 1,
    "segmentation.batch_size": 10,
    "segmentation.draws_per_video": 1,
    "segmentation.schedule.epochs": 1,
    "segmentation.schedule.lr": 1e-3,
    "segmentation.schedule.milestones": "[]",
    "localization.clips": 80,
    "localization.pictures": 2,
    "probe.shuffles": 1,
}
"""Heads learn faster than in the paper, whose dataset is 50 times as large, and on a few draws of
each clip, whose features are computed once."""
SKIP = (
    "segmentation inputs=video+audio",
    "segmentation inputs=video+audio+context",
    "avc-bin translated=true",
    "avc-bin views=1",
)
"""What tells least for its time."""

FULL = Size(name="full", train_scenes=1400, test_scenes=300, evaluation=EVALUATION, skip=SKIP)

# Whether alignment is learned where correspondence does not learn it, and a control.
QUICK = Size(
    name="quick",
    train_scenes=800,
    test_scenes=200,
    seeds=(0,),
    variants=("avc-intensity", "avsa-published-intensity", "avsa-intensity", "speedrun", "control"),
    evaluation={**EVALUATION, "localization.clips": 40},
    skip=(*SKIP, "segmentation", "probe"),
)

TINY = Size(
    name="tiny",
    train_scenes=6,
    test_scenes=3,
    rows=32,
    steps=0.0,  # one step a stage
    seeds=(0, 1),
    recipe=(
        "views.height=16",
        "views.width=16",
        "audio.n_mels=16",
        "encoders.video.base_channels=4",
        "encoders.audio.base_channels=4",
    ),
    evaluation={
        **EVALUATION,
        "avc-bin.batch_size": 2,
        "avc-bin.schedule.epochs": 1,
        "avsa-bin.batch_size": 2,
        "avsa-bin.schedule.epochs": 1,
        "segmentation.batch_size": 4,
        "localization.clips": 2,
        "localization.pictures": 1,
    },
    skip=SKIP,
)

SIZES = {each.name: each for each in (FULL, QUICK, TINY)}
