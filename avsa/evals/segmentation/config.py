"""The evaluation ``segmentation``: its options, and its course."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

import torch.distributed as dist
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from avsa.data.clips import clips_form
from avsa.data.loader import DataConfig
from avsa.data.order import Order, SamplingConfig, TrainingOrder
from avsa.evals.base import Context, EvaluationConfig, Offer, Variant, describe_dataset
from avsa.evals.fit import Fit, Loss, ScheduleConfig
from avsa.evals.result import Result, Row
from avsa.evals.segmentation.metrics import NO_TARGET
from avsa.evals.segmentation.networks import (
    CONTEXT,
    Inputs,
    SegmentationNetworks,
    Subnetworks,
    build_networks,
    open_subnetworks,
)
from avsa.evals.segmentation.pictures import PicturedOrder, save_pictures
from avsa.evals.segmentation.tables import to_result
from avsa.evals.segmentation.targets import Sample, TargetReader, with_targets
from avsa.evals.segmentation.testing import SharedOrder, Tested, test
from avsa.evals.subject import KINETICS, SCRATCH, Evaluated
from avsa.models.kinetics import default_weights, load_kinetics
from avsa.training.distributed import World, on_first_rank
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import batches
from avsa.views.sampling import ViewConfig
from yt360.config import config_class
from yt360.files import sha256_of
from yt360.labels.format.label_set import DEFAULT_NAME, label_sets
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS

TRAIN_HFOV_DEG, TEST_HFOV_DEG = (50.0, 87.0), (76.0, 76.0)


@config_class
class SegmentationConfig(EvaluationConfig):
    """Semantic segmentation of views by a head on maps of the video encoder (Table 3)."""

    addresses: ClassVar[frozenset[str]] = frozenset({"kinetics_weights"})
    kind: Literal["segmentation"] = "segmentation"
    """Name of the evaluation."""
    inputs: Inputs = "video"
    """What the head sees: maps of the video; its audio features, too; and those that translation
    networks predict from all views of the clip, too."""
    end_to_end: bool = False
    """true: encoders are trained with the head, an upper bound; false: they are frozen."""
    protocol: Literal["paper", "published"] = "paper"
    """paper: frozen encoders are in evaluation mode, and testing has no augmentation; published:
    batch norm of frozen encoders uses and updates statistics of batches, their dropout is active,
    and test views are augmented."""
    labels: str = DEFAULT_NAME
    """Name of the label set."""
    kinetics_weights: Path | None = None
    """Weights for the model ``kinetics``; null: where torchvision keeps them."""
    num_views: Annotated[int, Field(ge=1, le=1024)] = 4
    """Views of a clip."""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 20
    """Clips in a batch, all ranks together."""
    draws: Annotated[int, Field(ge=1, le=10**6)] = 1
    """An epoch draws each training video (clips / videos) times this often."""
    test_draws: Annotated[int, Field(ge=1, le=10**6)] = 1
    """How often each test clip is drawn."""
    schedule: ScheduleConfig = ScheduleConfig(
        epochs=10, lr=1e-4, weight_decay=5e-4, milestones=(5, 8)
    )
    """Training of the head."""

    @classmethod
    def variants(cls, offer: Offer) -> Iterable[Variant]:
        """Return all inputs of the model; ``scratch`` is trained end to end."""
        name, dataset = offer.subject.name, offer.dataset
        lacks = ""
        if dataset is None:
            lacks = "a dataset (--data)"
        elif DEFAULT_NAME not in label_sets(dataset):
            lacks = "labels of the dataset (yt360 pseudolabel)"
        translates = offer.translates or name == SCRATCH
        for inputs in ("video",) if name == KINETICS else get_args(Inputs):
            missing = "" if translates or inputs != CONTEXT else "translation networks"
            options = {"inputs": inputs, **({"end_to_end": True} if name == SCRATCH else {})}
            yield Variant(options, lacks or missing)

    def describe_data(self, subject: Evaluated, dataset: Path | None) -> dict[str, str]:
        """Return fingerprints of clips, of labels, and of weights trained on Kinetics."""
        if dataset is None:
            return {}
        labels = {split: TargetReader(dataset, split, self.labels) for split in SPLITS}
        found = {
            **describe_dataset(dataset),
            **{f"labels of {split}": each.fingerprint() for split, each in labels.items()},
        }
        if subject.name == KINETICS:
            load_kinetics(self.kinetics_weights)  # it is the right file
            found["kinetics weights"] = sha256_of(self.kinetics_weights or default_weights())
        return found

    def evaluate(self, context: Context) -> Result:
        """Train the head (and encoders), and test; see `EvaluationConfig`."""
        dataset = context.require_dataset()
        parts = open_subnetworks(
            context.subject, self.inputs, self.end_to_end, self.kinetics_weights, self.seed
        )
        labels = {split: TargetReader(dataset, split, self.labels) for split in ("train", "test")}
        for each in labels.values():
            on_first_rank(context.world, each.require_classes)
        audio = parts.recipe.audio
        statistics = on_first_rank(context.world, lambda: context.statistics(audio))
        with context.clips("train") as train, context.clips("test") as held_out:
            source = Source(self, parts, statistics, context.world)
            frames = source.data.window_shape(clips_form(train.info)).num_frames
            mode = "all" if self.end_to_end else "norms" if self.protocol == "published" else "none"
            networks = build_networks(parts, mode, frames, self.seed, context.world)  # type: ignore
            epochs = self._train(networks, source, train, labels["train"], context)
            tested = self._test(networks, source, held_out, labels["test"])
            pictures = {}
            if context.world.is_first:
                order = PicturedOrder(held_out.video_ids)
                alone = replace(source, world=World(0, 1, context.world.device))
                samples = alone.samples(held_out, order, labels["test"], training=False)
                pictures = save_pictures(context, samples, networks.predict, tested.confusion)
            return to_result(
                tested,
                epochs,
                pictures,
                {
                    s: (len(labels[s].keys), len(c))
                    for s, c in (("train", train), ("test", held_out))
                },
                self.seed,
            )

    def _train(
        self,
        networks: SegmentationNetworks,
        source: Source,
        clips: ShardReader,
        labels: TargetReader,
        context: Context,
    ) -> tuple[Row, ...]:
        videos = len(set(clips.video_ids))
        sampling = SamplingConfig(draws_per_video=max(1, len(clips) // videos) * self.draws)
        order = TrainingOrder(clips.video_ids, self.batch_size, self.seed, sampling)
        fit: Fit[Sample] = Fit(
            "segmentation",
            networks.trained,
            self.schedule,
            order.steps_per_epoch,
            self.seed,
            context.world,
            context.work,
        )
        return fit.run(
            lambda step: source.samples(clips, order, labels, training=True, first_step=step),
            partial(loss_of, networks.train(), context.world),
        )

    def _test(
        self,
        networks: SegmentationNetworks,
        source: Source,
        clips: ShardReader,
        labels: TargetReader,
    ) -> Tested:
        world = source.world
        order = SharedOrder(len(clips), self.test_draws, self.batch_size, world)
        alone = replace(source, world=World(0, 1, world.device))
        numbers = {video: number for number, video in enumerate(sorted(set(clips.video_ids)))}
        videos = dict(zip(clips.keys, clips.video_ids, strict=True))
        return test(
            alone.samples(clips, order, labels, training=False),
            networks.predict,
            lambda key: numbers[videos[key]],
            len(numbers),
            -(-len(order) // world.size),
            world,
        )


@dataclass(frozen=True)
class Source:
    """Where batches come from.

    Attributes:
        config: Options of the evaluation.
        parts: The networks, whose recipe says how views and spectrograms are made.
        statistics: Statistics that standardize spectrograms.
        world: The ranks that share each batch.
    """

    config: SegmentationConfig
    parts: Subnetworks
    statistics: AudioStatistics
    world: World

    @property
    def data(self) -> DataConfig:
        """One clip window at a time; its labels are those of the middle of its video."""
        data = replace(self.parts.recipe.data, windows_per_clip=1)
        return (
            data if self.config.protocol == "published" else replace(data, video_position="middle")
        )

    def views(self, training: bool) -> ViewConfig:
        """Return uniform views; all views of a clip are flipped, or none."""
        low, high = TRAIN_HFOV_DEG if training else TEST_HFOV_DEG
        return replace(
            self.parts.recipe.views,
            num_views=self.config.num_views,
            sampler="uniform",
            audio_rotation="view",
            hfov_min_deg=low,
            hfov_max_deg=high,
            augment=training or self.config.protocol == "published",
            hflip_probability=0.5,
            hflip_per_view=False,
        )

    def samples(
        self,
        clips: ShardReader,
        order: Order,
        labels: TargetReader,
        *,
        training: bool,
        first_step: int = 0,
    ) -> Generator[Sample]:
        """Yield this rank's part of batches with targets, from a step on."""
        drawn = batches(
            clips,
            order,
            self.config.seed,
            self.data,
            self.views(training),
            self.parts.recipe.audio,
            self.statistics,
            self.world,
            first_step,
        )
        return with_targets(drawn, labels, self.data.audio_duration_s)


def loss_of(networks: SegmentationNetworks, world: World, sample: Sample) -> Loss:
    """Return a loss whose mean over ranks is the mean over the labelled pixels of all ranks.

    ``pixel_accuracy`` is the share of these that are right, in the same way.
    """
    scores = networks(sample.batch.video, sample.batch.audio).movedim(2, -1).flatten(0, -2)
    targets = sample.targets.flatten().long()
    # Rows of pixels instead of images: this kernel of CUDA is deterministic.
    total = cross_entropy(scores, targets, ignore_index=NO_TARGET, reduction="sum")
    labelled = (targets != NO_TARGET).sum().double()
    share = world.size / _sum_over_ranks(labelled, world).clamp(min=1)
    hits: Tensor = (scores.argmax(-1) == targets).sum()
    return total * share.to(total.dtype), {"pixel_accuracy": hits * share}


def _sum_over_ranks(value: Tensor, world: World) -> Tensor:
    if world.size > 1:
        dist.all_reduce(value)
    return value
