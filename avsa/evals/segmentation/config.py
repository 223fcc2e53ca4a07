"""The evaluation ``segmentation``: options, training and test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from avsa.data.clips import clips_form
from avsa.data.remote.mirror import is_mirror
from avsa.evals.base import (
    Context,
    EvaluationConfig,
    Offer,
    Variant,
    describe_dataset,
)
from avsa.evals.fit import Fit, Loss, ScheduleConfig
from avsa.evals.protocol import Protocol
from avsa.evals.result import Result, Row
from avsa.evals.segmentation.networks import (
    CONTEXT,
    Inputs,
    SegmentationNetworks,
    Training,
    build_networks,
    check_inputs,
    open_subnetworks,
    with_sample_rate,
)
from avsa.evals.segmentation.pictures import PicturedOrder, save_pictures
from avsa.evals.segmentation.samples import SampleSource
from avsa.evals.segmentation.tables import require_targets, to_result
from avsa.evals.segmentation.targets import Sample, TargetReader
from avsa.evals.segmentation.testing import SharedOrder, Tested, test
from avsa.evals.segmentation.training import loss_of
from avsa.evals.subject import KINETICS, SCRATCH, Evaluated, describe_kinetics
from avsa.evals.training_order import small_batch_notes, training_order
from avsa.evals.unreadable import Unreadable, left_out_notes, replaced_notes
from avsa.training.distributed import on_first_rank
from yt360.config import config_class
from yt360.labels.format.label_set import DEFAULT_NAME, label_sets
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS


@config_class
class SegmentationConfig(EvaluationConfig):
    """Semantic segmentation of views by a head on maps of the video encoder (Table 3)."""

    takes_workers: ClassVar[bool] = False
    addresses: ClassVar[frozenset[str]] = frozenset({"kinetics_weights"})
    kind: Literal["segmentation"] = "segmentation"
    """Name of the evaluation."""
    inputs: Inputs = "video"
    """Inputs of the head: feature maps of the video; also audio features; also the features that
    translation networks predict from all views of the clip (context)."""
    end_to_end: bool = False
    """true: the encoders are trained with the head, as an upper bound; false: they are frozen."""
    protocol: Protocol = "paper"
    """paper: frozen encoders are in evaluation mode, and test views are not augmented; published,
    as in the published code: batch norm of frozen encoders uses and updates statistics of batches,
    their dropout is active, test views are augmented, and views and clip windows are drawn as in
    the recipe avsa-published."""
    labels: str = DEFAULT_NAME
    """Name of the label set."""
    kinetics_weights: Path | None = None
    """File of torchvision's r2plus1d_18, for ``kinetics``; null: in the cache of torchvision."""
    views: Annotated[int, Field(ge=1, le=1024)] = 4
    """Views of a clip."""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 20
    """Clips in a batch, all ranks together; fewer in training if there are fewer videos."""
    draws_per_video: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """Draws of each video in an epoch of training; null: floor(clips / videos)."""
    test_draws: Annotated[int, Field(ge=1, le=10**6)] = 1
    """Draws of each clip in the test."""
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
        elif is_mirror(dataset):
            lacks = "a dataset with labels on this machine"
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
        check_inputs(subject, self.inputs, self.end_to_end)
        kinetics = describe_kinetics(subject, self.kinetics_weights)
        found = describe_dataset(dataset)
        for split in SPLITS:
            labels = TargetReader(dataset, split, self.labels)
            found[f"labels of {split}"] = labels.fingerprint()
        return found | kinetics

    def evaluate(self, context: Context) -> Result:
        """Train the head, and the encoders if they are to be trained; then test."""
        dataset, world = context.require_dataset(), context.world
        parts = open_subnetworks(
            context.subject, self.inputs, self.end_to_end, self.kinetics_weights, self.seed
        )
        if context.subject.model is None:
            with context.clips("train") as clips:
                parts = with_sample_rate(parts, clips_form(clips.info).sample_rate_hz)
        labels = {split: TargetReader(dataset, split, self.labels) for split in SPLITS}
        for each in labels.values():
            on_first_rank(world, each.require_classes)
        source = SampleSource(
            recipe=parts.recipe,
            statistics=on_first_rank(world, lambda: context.statistics(parts.recipe.audio)),
            world=world,
            num_views=self.views,
            seed=self.seed,
            protocol=self.protocol,
        )
        with context.clips("train") as train, context.clips("test") as held_out:
            frames = source.data.window_shape(clips_form(train.info)).num_frames
            networks = build_networks(parts, self._training, frames, self.seed, world)
            epochs, notes = self.train(networks, source, train, labels["train"], context.work)
            tested = self.test(networks, source, held_out, labels["test"])
            require_targets(tested, held_out)
            pictures = {}
            if world.is_first:
                order = PicturedOrder(held_out.video_ids)
                shown = source.alone.testing(held_out, order, labels["test"])
                pictures = save_pictures(context, shown, networks.predict, tested.confusion)
            samples = len(held_out) * self.test_draws
            notes = (
                *_unlabelled_notes(train, labels["train"]),
                *notes,
                *_unlabelled_notes(held_out, labels["test"]),
                *left_out_notes(samples - tested.clips, samples, "test"),
            )
        return to_result(tested, epochs, pictures, notes, self.seed)

    def train(
        self,
        networks: SegmentationNetworks,
        source: SampleSource,
        clips: ShardReader,
        labels: TargetReader,
        work: Path,
    ) -> tuple[tuple[Row, ...], tuple[str, ...]]:
        """Train the networks in place, from where a killed evaluation was.

        Returns:
            The rows of the epochs, and notes on the clips.
        """
        order = training_order(clips, self.batch_size, self.draws_per_video, self.seed)
        unreadable = Unreadable(work, "train", source.world)
        networks.train()

        def loss(sample: Sample) -> Loss:
            unreadable.add_all(sample.batch.raw.unreadable)
            return loss_of(networks, source.world, sample)

        fit: Fit[Sample] = Fit(
            "segmentation",
            networks.trained,
            self.schedule,
            order.steps_per_epoch,
            self.seed,
            source.world,
            work,
        )
        epochs = fit.run(lambda step: source.training(clips, order, labels, step), loss)
        return epochs, (
            *small_batch_notes(clips, self.batch_size, order),
            *replaced_notes(unreadable.of_all_ranks(), clips),
        )

    def test(
        self,
        networks: SegmentationNetworks,
        source: SampleSource,
        clips: ShardReader,
        labels: TargetReader,
    ) -> Tested:
        """Test the networks; ranks take whole batches in turn."""
        order = SharedOrder(len(clips), self.test_draws, self.batch_size, source.world)
        return test(
            source.alone.testing(clips, order, labels),
            networks.predict,
            dict(zip(clips.keys, clips.video_ids, strict=True)),
            -(-len(order) // source.world.size),
            source.world,
        )

    @property
    def _training(self) -> Training:
        if self.end_to_end:
            return "all"
        return "norms" if self.protocol == "published" else "none"


def _unlabelled_notes(clips: ShardReader, labels: TargetReader) -> Iterator[str]:
    """Yield the note on clips without labels."""
    if (missing := len(clips) - len(labels.keys)) > 0:
        yield f"{missing} of {len(clips)} clips of the split {clips.split} have no labels."
