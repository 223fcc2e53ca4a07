"""The networks of segmentation: encoders, frozen or not, and the head.

Shapes: B clips, K views, C channels, T frames, (h, w) of a view, N time steps, F mel bands,
D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn

from avsa.config.recipe import load_config
from avsa.config.train_config import TrainConfig
from avsa.evals.segmentation.head import SegmentationHead
from avsa.evals.segmentation.targets import NUM_TARGETS, Sample
from avsa.evals.subject import KINETICS, Evaluated
from avsa.models.base import with_maps
from avsa.models.compute import ComputeConfig, autocast
from avsa.models.encoders import Encoders
from avsa.models.kinetics import load_kinetics
from avsa.tasks.contrastive import TranslationTask
from avsa.training.distributed import World
from avsa.training.learner import seed_torch
from yt360.errors import UserError

Inputs = Literal["video", "video+audio", "video+audio+context"]
CONTEXT: Inputs = "video+audio+context"
Training = Literal["none", "norms", "all"]
NUM_SCALES = 4
DEFAULT_RECIPE = "avsa"
"""Recipe of the networks and views of ``scratch``, and of the views of ``kinetics``."""


@dataclass(frozen=True)
class Subnetworks:
    """The networks below the head, and the recipe for their input.

    Attributes:
        recipe: Views, spectrograms and clip windows.
        networks: ``video``; with audio ``audio``, with context ``v2a`` and ``a2v``.
        feature_dim: D.
    """

    recipe: TrainConfig
    networks: Mapping[str, nn.Module]
    feature_dim: int


def open_subnetworks(
    subject: Evaluated, inputs: Inputs, end_to_end: bool, kinetics_weights: Path | None, seed: int
) -> Subnetworks:
    """Return copies of the networks that the inputs need.

    Args:
        subject: The model.
        inputs: Inputs of the head.
        end_to_end: Whether they will be trained.
        kinetics_weights: File for ``kinetics``; None for its usual place.
        seed: Seed of new weights, for ``scratch``.

    Raises:
        UserError: See `check_inputs`; or the weights of ``kinetics`` cannot be read.
    """
    check_inputs(subject, inputs, end_to_end)
    if subject.model is not None:
        task = subject.require_translation() if inputs == CONTEXT else None
        return _chosen(subject.model.config, inputs, subject.model.encoders, task)
    recipe = load_config(DEFAULT_RECIPE)
    if subject.name == KINETICS:
        encoder = load_kinetics(kinetics_weights)
        return Subnetworks(recipe, {"video": encoder}, encoder.feature_dim)
    seed_torch(seed, "segmentation", "encoders")
    encoders = recipe.encoders.build(recipe.audio.num_channels)
    *_, last = recipe.stages.values()
    new = cast(TranslationTask, last.task.build(recipe.encoders.feature_dim))
    return _chosen(recipe, inputs, encoders, new)


def with_sample_rate(parts: Subnetworks, sample_rate_hz: int) -> Subnetworks:
    """Return the networks of a model without a run, with a recipe for the audio of a dataset."""
    audio = replace(parts.recipe.audio, sample_rate_hz=sample_rate_hz)
    return replace(parts, recipe=replace(parts.recipe, audio=audio))


def check_inputs(subject: Evaluated, inputs: Inputs, end_to_end: bool) -> None:
    """Check that a model has what the inputs need.

    Raises:
        UserError: ``"unsupported"``: It has no translation networks or no encoder of audio.
            ``"conflict"``: It has no trained encoders.
    """
    if subject.model is not None:
        if inputs == CONTEXT:
            subject.require_translation()
    elif subject.name == KINETICS:
        if inputs != "video":
            raise UserError(
                f"--inputs {inputs} needs an encoder of audio, which {KINETICS!r} does not have; "
                "use --inputs video",
                "unsupported",
                "--inputs",
            )
    elif not end_to_end:
        raise UserError(
            f"{subject.name!r} has no trained encoders to freeze; add --end-to-end, or give the "
            "folder of a run",
            "conflict",
            "--end-to-end",
        )


def _chosen(
    recipe: TrainConfig, inputs: Inputs, encoders: Encoders, task: TranslationTask | None
) -> Subnetworks:
    networks = {"video": encoders.video}
    if inputs != "video":
        networks["audio"] = encoders.audio
    if inputs == CONTEXT and task is not None:
        networks |= {"v2a": task.v2a_transformer, "a2v": task.a2v_transformer}
    return Subnetworks(recipe, deepcopy(networks), recipe.encoders.feature_dim)


class SegmentationNetworks(nn.Module):
    """Views of clips to class scores.

    Args:
        parts: Networks below the head.
        shapes: (C, T) of the maps of the encoder of video, the finest first.
        training: What of `parts` changes in training. none: nothing, and they stay in evaluation
            mode; norms: weights are fixed, but batch norm uses and updates statistics of batches,
            and dropout is active; all: everything.
        compute: How the device computes.

    Attributes:
        encoders: The networks below the head.
        head: The head.
    """

    def __init__(
        self,
        parts: Subnetworks,
        shapes: Sequence[tuple[int, int]],
        training: Training,
        compute: ComputeConfig,
    ) -> None:
        super().__init__()
        self.compute, self.trains = compute, training
        self.encoders = nn.ModuleDict(parts.networks).requires_grad_(training == "all")
        conditions = {1: 0, 2: 1, 4: 3}[len(parts.networks)] * parts.feature_dim
        self.head = SegmentationHead(shapes, conditions, NUM_TARGETS)
        self.train()

    @property
    def trained(self) -> nn.Module:
        """The part whose weights or buffers change in training."""
        return self.head if self.trains == "none" else self

    def train(self, mode: bool = True) -> SegmentationNetworks:
        """Set the mode; encoders that must not change stay in evaluation mode."""
        super().train(mode)
        self.encoders.train(mode and self.trains != "none")
        return self

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Return float32 scores (B, K, classes, h, w).

        Args:
            video: (B, K, 3, T, h, w).
            audio: (B, K, C, N, F).
        """
        with autocast(self.compute, video.device):
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains == "all"):
                maps = self.encoders["video"].forward_maps(video.flatten(0, 1))  # type: ignore
                condition = self.conditioning(maps[-1], audio)
            scores = self.head(maps, condition, video.shape[-2:])
        return scores.float().unflatten(0, video.shape[:2])

    def predict(self, sample: Sample) -> Tensor:
        """Return the classes (B, K, h, w) of the views of a batch, in evaluation mode."""
        self.eval()
        return self(sample.batch.video, sample.batch.audio).argmax(2)

    def conditioning(self, last_map: Tensor, audio: Tensor) -> Tensor:
        """Return what is concatenated to the last map: (B * K, 0), (B * K, D) or (B * K, 3 D).

        Args:
            last_map: (B * K, D, T', h', w'), whose maximum is the features of the video.
            audio: (B, K, C, N, F).
        """
        networks, shape = self.encoders, audio.shape[:2]
        if "audio" not in networks:
            return last_map.new_empty(len(last_map), 0)
        of_audio = networks["audio"](audio.flatten(0, 1))
        if "v2a" not in networks:
            return of_audio
        of_video = last_map.amax(dim=(2, 3, 4))
        context = (
            networks["v2a"](of_video.unflatten(0, shape)).flatten(0, 1),
            of_audio,
            networks["a2v"](of_audio.unflatten(0, shape)).flatten(0, 1),
        )
        return torch.cat(context, -1)


def build_networks(
    parts: Subnetworks, training: Training, frames: int, seed: int, world: World
) -> SegmentationNetworks:
    """Return the networks on the device, with a new head.

    Args:
        parts: From `open_subnetworks`.
        training: See `SegmentationNetworks`.
        frames: T.
        seed: Seed of the weights of the head.
        world: This process and the other ranks.

    Raises:
        UserError: The encoder has not four scales, or batch norm needs CUDA.
    """
    shapes = map_shapes(parts, frames)
    seed_torch(seed, "segmentation", "head")
    networks = SegmentationNetworks(parts, shapes, training, parts.recipe.compute).to(world.device)
    if world.size > 1 and training != "none":
        if world.device.type != "cuda":
            raise UserError(
                "batch norm over several ranks needs CUDA devices, and encoders are in training "
                "mode with --end-to-end or --protocol published; use one rank",
                "conflict",
                "--end-to-end",
            )
        networks = nn.SyncBatchNorm.convert_sync_batchnorm(networks)
    return networks.train()


@torch.no_grad()
def map_shapes(parts: Subnetworks, frames: int) -> list[tuple[int, int]]:
    """Return (C, T) of the maps of the encoder of video.

    Raises:
        UserError: ``"unsupported"``: It has no ``forward_maps``, or not four scales.
    """
    encoder, views = with_maps(parts.networks["video"]), parts.recipe.views
    device = next(encoder.parameters()).device
    blank = torch.zeros(1, 3, frames, views.height, views.width, device=device)
    maps = encoder.eval().forward_maps(blank)
    heights = [each.shape[3] for each in maps]
    if len(maps) != NUM_SCALES or sorted(set(heights), reverse=True) != heights:
        sizes = ", ".join(f"{each.shape[3]} x {each.shape[4]}" for each in maps)
        raise UserError(
            f"segmentation needs maps of {NUM_SCALES} scales, and the encoder has {len(maps)} "
            f"({sizes} for views of {views.height} x {views.width}); use a run with "
            f"encoders.video.num_stages={NUM_SCALES} and larger views",
            "unsupported",
            "encoders.video",
        )
    return [(each.shape[1], each.shape[2]) for each in maps]
