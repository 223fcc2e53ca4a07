"""The evaluation: fine-tune the video encoder on each fold, and test it.

The settings are those of the paper (section 4.3 and its supplement).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import nn

from avsa.evals.action.decoding import VideoDecoders
from avsa.evals.action.lists import LAYOUTS, DatasetName, Fold, read_fold
from avsa.evals.action.network import ActionNetwork
from avsa.evals.action.summary import FoldResult, summarize
from avsa.evals.action.testing import TestClips
from avsa.evals.action.training import ActionBatch, ClipOptions, TrainingClips
from avsa.evals.action.windows import ClipShape
from avsa.evals.base import Context, EvaluationConfig, Offer, Variant
from avsa.evals.fit import Fit, Loss, ScheduleConfig
from avsa.evals.result import Result, Row
from avsa.evals.subject import KINETICS, SCRATCH, Evaluated, describe_kinetics
from avsa.evals.unreadable import Unreadable
from avsa.models import VIDEO_ENCODERS
from avsa.models.base import VideoEncoderConfig
from avsa.models.compute import ComputeConfig, autocast, is_on, to_channels_last
from avsa.models.kinetics import load_kinetics
from avsa.models.r2plus1d import R2Plus1DConfig
from avsa.training.distributed import World, gather_lists, on_first_rank
from avsa.training.learner import seed_torch
from yt360.config import Section, config_class, conflict
from yt360.devices import cores_per_process
from yt360.errors import UserError
from yt360.files import write_json
from yt360.splits import SPLITS
from yt360.untrusted.parsing import read_json

PAPER_FPS, PAPER_DURATION_S, PAPER_SIZE = 16, 0.5, 112


@config_class
class ActionConfig(EvaluationConfig):
    """Accuracy of action recognition by the fine-tuned video encoder, on UCF101 or HMDB51."""

    needs_dataset: ClassVar[bool] = False
    takes_workers: ClassVar[bool] = False
    addresses: ClassVar[frozenset[str]] = frozenset({"root", "kinetics_weights"})

    kind: Literal["action"] = "action"
    """Name of the evaluation."""
    dataset: DatasetName
    """ucf101 or hmdb51."""
    root: Path
    """Folder of UCF101 or HMDB51."""
    folds: tuple[Annotated[int, Field(ge=1, le=99)], ...] = (1, 2, 3)
    """Folds to train and test on; the result is their mean."""
    kinetics_weights: Path | None = None
    """File of torchvision's r2plus1d_18, for ``kinetics``; null: in the cache of torchvision."""
    encoder: Annotated[VideoEncoderConfig, Section(VIDEO_ENCODERS, default="r2plus1d")] = (
        R2Plus1DConfig()
    )
    """The encoder of ``scratch``; a run has its own."""
    schedule: ScheduleConfig = ScheduleConfig(epochs=20, lr=1e-4, milestones=(8, 12, 16), gamma=0.3)
    """Training."""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 28
    """Clips in a batch, all ranks together."""
    draws_per_video: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """Draws of each video in an epoch; null: 5 on UCF101 and 10 on HMDB51."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Probability of dropping a feature in training."""
    test_clips: Annotated[int, Field(ge=1, le=10**4)] = 25
    """Random clips of a test video, and as many evenly spaced ones."""

    def __post_init__(self) -> None:
        if not self.folds or len(set(self.folds)) < len(self.folds):
            raise conflict(f"folds are {list(self.folds)}; name at least one fold, each once")

    @classmethod
    def variants(cls, offer: Offer) -> Iterable[Variant]:
        """Return an evaluation for each data set."""
        return [
            Variant({"dataset": name, "root": root.absolute()})
            if root is not None
            else Variant({"dataset": name}, f"the folder of {LAYOUTS[name].title} (--{name})")
            for name, root in (("ucf101", offer.ucf101), ("hmdb51", offer.hmdb51))
        ]

    def describe_data(self, subject: Evaluated, dataset: Path | None) -> dict[str, str]:  # noqa: ARG002
        """Return the fingerprints of the folds and of the Kinetics weights; check both."""
        folds = self._folds()
        found = {"data set": LAYOUTS[self.dataset].title}
        found |= {f"fold {fold.number}": fold.fingerprint for fold in folds}
        self._check_batch_size(min(len(fold.train) for fold in folds))
        if self.encoder != R2Plus1DConfig() and subject.name != SCRATCH:
            raise UserError(
                f"encoder does not apply to {subject.name}; leave it out, or evaluate {SCRATCH}",
                "conflict",
                "encoder",
            )
        return found | describe_kinetics(subject, self.kinetics_weights)

    def evaluate(self, context: Context) -> Result:
        """Train and test on each fold; after a kill, complete folds are not repeated."""
        _require_one_batch_norm(context.world)
        with VideoDecoders(cores_per_process()) as decoders:
            results = [self._fold_result(fold, context, decoders) for fold in self._folds()]
        return summarize(results, LAYOUTS[self.dataset], self.seed)

    def _folds(self) -> list[Fold]:
        folds = [read_fold(self.dataset, self.root, number) for number in self.folds]
        if any(fold.classes != folds[0].classes for fold in folds):
            raise UserError(
                f"the folds {list(self.folds)} have different classes; unpack the lists again",
                "conflict",
                "--folds",
            )
        return folds

    def _check_batch_size(self, videos: int) -> None:
        if videos < self.batch_size:
            raise UserError(
                f"batch_size is {self.batch_size}, and a fold has {videos} training videos; set it "
                f"to at most {videos} (--set batch_size={videos}, or, with avsa eval all, "
                f"--set action.batch_size={videos})",
                "out-of-range",
                "batch_size",
            )

    def _fold_result(self, fold: Fold, context: Context, decoders: VideoDecoders) -> FoldResult:
        """Return the result of a fold, from the file of an earlier run if it has one."""
        path = context.work / f"fold-{fold.number}.json"
        if not on_first_rank(context.world, path.exists):
            content = json.loads(json.dumps(asdict(self._train_and_test(fold, context, decoders))))
            on_first_rank(context.world, lambda: write_json(path, content))
        return on_first_rank(context.world, lambda: read_json(path, FoldResult))

    def _train_and_test(self, fold: Fold, context: Context, decoders: VideoDecoders) -> FoldResult:
        subject, world = context.subject, context.world
        compute = ComputeConfig() if subject.config is None else subject.config.compute
        network, dim = self._network(fold, subject, world, compute)
        shape = clip_shape(subject)
        replaced, missing = (
            Unreadable(context.work, f"fold-{fold.number}-{split}", world) for split in SPLITS
        )
        options = ClipOptions(
            shape=shape,
            batch_size=self.batch_size,
            draws_per_video=self.draws_per_video or LAYOUTS[self.dataset].draws_per_video,
            dropout=self.dropout,
            feature_dim=dim,
            seed=self.seed,
        )
        clips = TrainingClips(fold, options, world, decoders, replaced)
        epochs = self._train(network, clips, context, compute)
        test = TestClips(fold, shape, self.test_clips, self.seed, decoders)
        scores = gather_lists(test.scores(network, world, compute, missing))
        if not scores:
            raise UserError(
                f"no test video of fold {fold.number} can be read; unpack the videos again",
                "empty",
                "--root",
            )
        return FoldResult(
            fold=fold.number,
            classes=fold.classes,
            train_videos=len(fold.train),
            scores=tuple(sorted(scores, key=lambda each: each.video)),
            epochs=tuple({key: float(value or 0) for key, value in row.items()} for row in epochs),
            replaced=replaced.of_all_ranks(),
            missing=missing.of_all_ranks(),
        )

    def _train(
        self,
        network: ActionNetwork,
        clips: TrainingClips,
        context: Context,
        compute: ComputeConfig,
    ) -> tuple[Row, ...]:
        """Train a network, from where a killed evaluation was; return the rows of its epochs."""
        fit: Fit[ActionBatch] = Fit(
            f"action fold {clips.fold.number}",
            network,
            self.schedule,
            clips.steps_per_epoch,
            self.seed,
            context.world,
            context.work,
        )

        def loss_of(batch: ActionBatch) -> Loss:
            with autocast(compute, context.world.device):
                logits = network(batch.video, batch.keep)
            correct = (logits.argmax(-1) == batch.labels).float().mean()
            return F.cross_entropy(logits, batch.labels), {"accuracy": correct}

        return fit.run(clips.batches, loss_of)

    def _network(
        self, fold: Fold, subject: Evaluated, world: World, compute: ComputeConfig
    ) -> tuple[ActionNetwork, int]:
        """Return the network of a fold before training, and its number of features."""
        seed_torch(self.seed, "action", fold.number, "weights")
        encoder, dim = self._encoder(subject)
        network = ActionNetwork(encoder, dim, len(fold.classes)).to(world.device).train()
        network.requires_grad_(True)
        if is_on(compute.channels_last, world.device):
            to_channels_last(network)
        if world.size > 1:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return network, dim

    def _encoder(self, subject: Evaluated) -> tuple[nn.Module, int]:
        if subject.model is not None:
            return copy.deepcopy(subject.model.encoders.video), subject.model.feature_dim
        if subject.name == KINETICS:
            encoder = load_kinetics(self.kinetics_weights)
            return encoder, encoder.feature_dim
        return self.encoder.build(), self.encoder.feature_dim


def clip_shape(subject: Evaluated) -> ClipShape:
    """Return the frame rate, duration and frame size of a run, or those of the paper."""
    if subject.model is None:
        return ClipShape(round(PAPER_FPS * PAPER_DURATION_S), PAPER_FPS, PAPER_SIZE, PAPER_SIZE)
    config, fps = subject.model.config, subject.model.fps
    num_frames = max(1, round(config.data.video_duration_s * fps))
    return ClipShape(num_frames, fps, config.views.height, config.views.width)


def _require_one_batch_norm(world: World) -> None:
    """Check that batch norm can see the clips of all ranks.

    Raises:
        UserError: ``"conflict"``: There are several ranks, and they are no CUDA devices.
    """
    if world.size > 1 and world.device.type != "cuda":
        raise UserError(
            f"action recognition on {world.size} ranks needs CUDA devices, whose batch norm spans "
            f"the batch, not {world.device}; use one rank",
            "conflict",
            "--device",
        )
