"""Probes of the encoders on clips with ground truth: synthetic scenes, or labelled directions.

A head is trained on frozen features of the views of the training split and tested on those of the
test split. Each number stands beside two controls: what a constant prediction reaches, and what the
same head reaches when it is trained on shuffled values (the mean over several orders: if features
form a few groups, a single order gives each group a random value, right or wrong as a whole).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from avsa.data.clips import open_clips
from avsa.evals.base import Context, EvaluationConfig, Offer, Variant
from avsa.evals.bootstrap import mean_metric
from avsa.evals.feature_cache import Features, plain_spec, view_features
from avsa.evals.probe.heads import HEADS, Head, probe
from avsa.evals.probe.targets import (
    TARGETS,
    Target,
    label_targets,
    scene_targets,
    scenes_of,
)
from avsa.evals.result import Metric, Result, Row
from avsa.evals.subject import Evaluated
from yt360.config import config_class
from yt360.errors import UserError
from yt360.randomness import keyed_generator
from yt360.scenes.clip_audio import require_scenes_of
from yt360.scenes.collection import SceneCollection
from yt360.scenes.directions import LabelledDirections
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.directions import may_have_directions
from yt360.splits import SPLITS, Split
from yt360.terminal.progress import Progress

Array = NDArray[Any]
Targets = Callable[..., dict[str, Target]]
"""Arguments: clip and time in it of each sample, centres and fields of view of its views."""
NO_TRUTH = "the scenes of the dataset (--scenes), or labelled directions in it"
INPUTS = ("video", "audio", "both")
"""Features that a head gets; ``both`` are concatenated."""


@config_class
class ProbeConfig(EvaluationConfig):
    """Linear and k-NN probes of the encoders on scenes or on clips with labelled directions."""

    addresses: ClassVar[frozenset[str]] = frozenset({"scenes"})
    columns: ClassVar[tuple[str, ...]] = HEADS
    kind: Literal["probe"] = "probe"
    """Name of the evaluation."""
    scenes: Path | None = None
    """Folder of synthetic scenes with their ground truth, from which the dataset was built; or one
    with several of them. Null: the labelled directions that are stored with the clips."""
    views: Annotated[int, Field(ge=1, le=1024)] = 4
    """K, the number of views per clip."""
    regularization: Annotated[float, Field(gt=0, le=1e9)] = 100.0
    """Weight of the squared norm of the weights of linear probes."""
    neighbors: Annotated[int, Field(ge=1, le=10**6)] = 10
    """Neighbours of k-NN probes."""
    shuffles: Annotated[int, Field(ge=1, le=1000)] = 5
    """Orders of the values over which the shuffled control is averaged."""

    @classmethod
    def variants(cls, offer: Offer) -> Iterable[Variant]:
        """Return the evaluation on the scenes; see `EvaluationConfig.variants`."""
        (found,) = super().variants(offer)
        if found.lacks:
            return [found]
        if offer.scenes is not None:
            return [Variant({"scenes": offer.scenes})]
        return [Variant(lacks="" if _is_labelled(offer.dataset) else NO_TRUTH)]

    def describe_data(self, subject: Evaluated, dataset: Path | None) -> dict[str, str]:
        """Return the fingerprints of dataset and ground truth, and check the scenes."""
        if self.scenes is None and dataset is not None and _is_labelled(dataset):
            found = super().describe_data(subject, dataset)
            for split in SPLITS:
                with closing(open_clips(dataset, split)) as clips:
                    found[f"directions of {split}"] = LabelledDirections(clips).fingerprint
            return found
        scenes = SceneCollection(self._require_scenes())
        if dataset is not None:
            with closing(open_clips(dataset, "test")) as clips:
                require_scenes_of(clips, scenes)
        found = super().describe_data(subject, dataset)
        return {**found, "scenes": scenes.fingerprint}

    def evaluate(self, context: Context) -> Result:
        """Return accuracies and angular errors of the probes; see the module.

        Raises:
            UserError: The dataset is not from the scenes, or no target has two values.
        """
        train, test = (
            self._views(context, split, self._targets(context, split)) for split in SPLITS
        )
        names = [name for name in TARGETS if can_be_probed(train, test, name)]
        if not names:
            raise UserError(
                "the training split has too few scenes or labelled directions for probes; build a "
                "dataset with more of them",
                "empty",
                "--scenes",
            )
        metrics: dict[str, Metric] = {}
        rows: list[Row] = []
        with Progress("probes", len(names) * len(INPUTS) * len(HEADS), "probes") as progress:
            for name, inputs, head in product(names, INPUTS, HEADS):
                metric, row = self._probe(train, test, name, inputs, head)
                metrics[f"{name}_{inputs}_{head}"] = metric
                rows.append({"target": name, "features": inputs, "head": head, **row})
                progress.advance()
        left_out = [name for name in TARGETS if name not in names]
        note = f"There are too few views or values for probes of {', '.join(left_out)}."
        notes = (*train.features.notes, *test.features.notes, *([note] if left_out else []))
        return Result(metrics=metrics, tables={"probes": tuple(rows)}, notes=notes)

    def _targets(self, context: Context, split: Split) -> Targets:
        """Return the function of the targets of views of a split."""
        with context.clips(split) as clips:
            if self.scenes is None and _is_labelled(clips.dataset):
                return partial(label_targets, LabelledDirections(clips))
            known = SceneCollection(self._require_scenes())
            return partial(scene_targets, scenes_of(known, clips.keys))

    def _views(self, context: Context, split: Split, targets_of: Targets) -> Views:
        config = context.subject.require_model().config
        features = view_features(context, plain_spec(config, split, self.views, self.seed))
        times = features.audio_start_s + config.data.audio_duration_s / 2
        targets = targets_of(features.keys, times.tolist(), features.directions, features.fov)
        return Views(features, targets)

    def _probe(
        self, train: Views, test: Views, name: str, inputs: str, head: Head
    ) -> tuple[Metric, Row]:
        """Return the metric of a probe, and its row of the table."""
        target = test.targets[name]
        given = train.inputs(inputs, name), test.inputs(inputs, name)
        values = train.values(name), test.values(name)
        generator = keyed_generator(self.seed, "shuffled values", name)

        def scores(head: Head, known: Array) -> NDArray[np.float64]:
            options = (target.is_angle, self.regularization, self.neighbors)
            return probe(head, given, (known, values[1]), *options)

        chance = scores("constant", values[0]).mean()
        shuffled = [
            scores(head, generator.permutation(values[0])).mean() for _ in range(self.shuffles)
        ]
        metric = mean_metric(
            scores(head, values[0]),
            test.video_ids(name),
            chance=float(chance),
            unit="°" if target.is_angle else "%",
            seed=self.seed,
        )
        row: Row = {
            "measure": "error_deg" if target.is_angle else "accuracy",
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "constant": metric.chance,
            "shuffled": float(np.mean(shuffled)),
            "training_views": len(values[0]),
            "test_views": len(values[1]),
        }
        return metric, row

    def _require_scenes(self) -> Path:
        if self.scenes is None:
            raise UserError(
                "probes need ground truth; give --scenes, the folder of `yt360 scenes` from which "
                "the dataset was built, or a dataset with labelled directions "
                "(`yt360 build-shards --directions`)",
                "missing",
                "--scenes",
            )
        return self.scenes


def _is_labelled(dataset: Path | None) -> bool:
    return dataset is not None and may_have_directions(DatasetInfo.load(dataset))


@dataclass(frozen=True)
class Views:
    """The views of a split: features and targets."""

    features: Features
    targets: Mapping[str, Target]

    def inputs(self, inputs: str, target: str) -> Array:
        """Return the features (n, D) of the views in which a target is defined."""
        video, audio = self.features.video.numpy(), self.features.audio.numpy()
        chosen = {"video": [video], "audio": [audio], "both": [video, audio]}[inputs]
        return np.concatenate(chosen, -1)[self.targets[target].views]

    def values(self, target: str) -> Array:
        """Return the values (n,) of a target where it is defined."""
        found = self.targets[target]
        return found.values[found.views]

    def video_ids(self, target: str) -> list[str]:
        """Return the video of each value of a target."""
        samples = np.nonzero(self.targets[target].views)[0]
        return [self.features.video_ids[sample] for sample in samples]


def can_be_probed(train: Views, test: Views, target: str) -> bool:
    """Return whether there are two values to learn and one to test."""
    return len(np.unique(train.values(target))) > 1 and len(test.values(target)) > 0
