"""Measure what cues alone reach in AVSA-Bin, and in choosing the audio of a view.

    PYTHONPATH=tools python -m claims.cues DATASET --scenes SCENES --out cues.json

A model that compares picture and sound must beat what the sound of a view tells together with
little of its picture. Heads are trained on the split train and tested on the split test. They get
summaries of the sound in the coordinates of each view, without a network, and one of these cues:

- the elevation of the view,
- the number of objects in the view, whether they sound or not,
- the number of sources in the view, which only a model that knows what sounds can see: it shows
  what the task offers, and is no cheat,
- statistics of the pixels.

The questions, with views and clip windows as in the evaluation of a model of the recipe:

- AVSA-Bin: is the sound aligned, or turned about the vertical (`avsa.evals.binary.avsa_bin`)?
  Decisions of one view, and of the mean over the views of a sample.
- The audio of a view among those of all views of its sample. Sound alone cannot answer it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from avsa.config.recipe import load_config
from avsa.config.train_config import TrainConfig
from avsa.evals.bootstrap import mean_metric
from avsa.evals.result import Metric
from claims.cue_views import Array, Cues, read_cues
from yt360.errors import UserError
from yt360.files import write_json
from yt360.randomness import keyed_generator
from yt360.scenes.collection import SceneCollection

CUES: dict[str, tuple[str, ...]] = {
    "sound": ("sound",),
    "sound + elevation": ("sound", "elevation"),
    "sound + objects in view": ("sound", "objects"),
    "sound + sources in view": ("sound", "sources"),
    "picture": ("pixels",),
    "sound + picture": ("sound", "pixels"),
}
"""Cues of each head, by its name."""


def main(arguments: list[str] | None = None) -> int:
    """Run the tool."""
    options = _parse(arguments)
    try:
        results = measure(
            options.dataset,
            SceneCollection(options.scenes),
            load_config(options.recipe),
            options.views,
            options.draws,
            options.seed,
        )
    except UserError as error:
        sys.exit(f"error: {error}")
    print(table(results, options.views))
    if options.out:
        numbers = {
            name: {question: asdict(metric) for question, metric in row.items()}
            for name, row in results.items()
        }
        facts = {"recipe": options.recipe, "views": options.views, "draws": options.draws}
        write_json(options.out, {**facts, "seed": options.seed, "cues": numbers})
    return 0


def measure(
    dataset: Path,
    scenes: SceneCollection,
    config: TrainConfig,
    num_views: int = 4,
    draws: int = 4,
    seed: int = 0,
) -> dict[str, dict[str, Metric]]:
    """Return the accuracies of all heads, by name and question.

    Args:
        dataset: A dataset of the scenes.
        scenes: The scenes, whose ground truth tells what is in a view.
        config: Recipe whose views and clip windows are used.
        num_views: K, views of a sample.
        draws: Samples of each clip, in training and test.
        seed: Seed of views, turns and heads.
    """
    train, test = (
        read_cues(dataset, split, scenes, config, num_views, draws, seed)
        for split in ("train", "test")
    )
    return {
        name: {
            **turn_accuracies(train, test, cues, seed),
            **choice_accuracy(train, test, cues, seed),
        }
        for name, cues in CUES.items()
    }


def turn_accuracies(train: Cues, test: Cues, cues: tuple[str, ...], seed: int) -> dict[str, Metric]:
    """Return the accuracy in AVSA-Bin with one view and with all views; see the module."""

    def rows(of: Cues) -> Array:
        return np.stack(
            [_joined(of, cues, sound) for sound in (of.turned, of.sound)]
        )  # (2, N, K, A)

    known, asked = rows(train), rows(test)
    labels = np.arange(2)[:, None, None]
    head = _trained(known, np.broadcast_to(labels, known.shape[:3]), seed)
    logits = _logits(head, asked)
    videos = test.video_ids * 2
    one = ((logits > 0) == labels).mean(-1).ravel()
    every = ((logits.mean(-1) > 0) == labels[..., 0]).ravel()
    return {
        "turns, one view": mean_metric(one, videos, chance=0.5, seed=seed),
        "turns, all views": mean_metric(every, videos, chance=0.5, seed=seed),
    }


def choice_accuracy(train: Cues, test: Cues, cues: tuple[str, ...], seed: int) -> dict[str, Metric]:
    """Return the accuracy of choosing the audio of a view among those of all views."""
    samples, views = train.sound.shape[:2]
    generator = keyed_generator(seed, "other views")
    others = (np.arange(views) + generator.integers(1, views, (samples, views))) % views
    pairs = [train.sound, np.take_along_axis(train.sound, others[..., None], 1)]
    known = np.stack([_joined(train, cues, sound) for sound in pairs])
    right = np.broadcast_to(np.array([1, 0])[:, None, None], known.shape[:3])
    head = _trained(known, right, seed)
    asked = np.stack(
        [_joined(test, cues, np.roll(test.sound, -shift, 1)) for shift in range(views)]
    )
    scores = _logits(head, asked)  # of the audio of the view itself first
    best = scores.max(0)
    hits = (scores[0] == best) / (scores == best).sum(0)  # ties are guessed
    return {
        "choice": mean_metric(hits.mean(-1), test.video_ids, chance=1 / views, seed=seed),
    }


def _joined(of: Cues, cues: tuple[str, ...], sound: Array) -> Array:
    """Return the cues (N, K, A) of views with some sound."""
    return np.concatenate([sound if cue == "sound" else of.pictures[cue] for cue in cues], -1)


def _trained(rows: Array, labels: NDArray[np.int64], seed: int) -> HistGradientBoostingClassifier:
    """Return a head trained on rows (..., A) with labels (...)."""
    head = HistGradientBoostingClassifier(
        max_iter=150, max_leaf_nodes=15, min_samples_leaf=50, l2_regularization=1.0,
        max_features=0.3, early_stopping=False, random_state=seed,
    )  # fmt: skip
    return head.fit(rows.reshape(-1, rows.shape[-1]), labels.ravel())


def _logits(head: HistGradientBoostingClassifier, rows: Array) -> NDArray[np.float64]:
    """Return the logits (...) of rows (..., A)."""
    logits: NDArray[np.float64] = head.decision_function(rows.reshape(-1, rows.shape[-1]))
    return logits.reshape(rows.shape[:-1])


def table(results: Mapping[str, Mapping[str, Metric]], num_views: int) -> str:
    """Return the accuracies as a table in Markdown."""
    return "\n".join(_lines(results, num_views))


def _lines(results: Mapping[str, Mapping[str, Metric]], num_views: int) -> Iterator[str]:
    yield f"| cues | AVSA-Bin, 1 view | AVSA-Bin, {num_views} views | audio of the view |"
    yield "|---|---|---|---|"
    for name, row in results.items():
        cells = []
        for metric in row.values():
            value, interval, _ = metric.texts()
            cells.append(f"{value} ({interval})" if interval else value)
        yield f"| {name} | {' | '.join(cells)} |"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="claims.cues", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("dataset", type=Path, help="dataset of the scenes, with both splits")
    parser.add_argument(
        "--scenes", type=Path, required=True, help="folder of the scenes, or of such folders"
    )
    parser.add_argument("--recipe", default="small", help="its views and clip windows are used")
    parser.add_argument("--views", type=int, default=4, help="views of a sample; by default 4")
    parser.add_argument("--draws", type=int, default=4, help="samples of a clip; by default 4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file of the numbers")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
