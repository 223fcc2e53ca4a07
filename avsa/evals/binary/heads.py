"""The heads of the binary tasks, their loss, and their decisions.

Shapes: P pairs of video and audio, K views, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avsa.training.learner import seed_torch

HIDDEN_DIM = 512
BOTH, AUDIO, VIDEO = "accuracy", "audio_alone", "video_alone"
"""Names of the heads, after the modalities that they see."""
SEES = {BOTH: (True, True), AUDIO: (False, True), VIDEO: (True, False)}
"""Whether each head sees video and audio."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of a clip's video and some audio.

    Attributes:
        video: (P, K, D).
        audio: (P, K, D).
        labels: (P,) int64, 1 where they belong together and 0 where they do not.
    """

    video: Tensor
    audio: Tensor
    labels: Tensor


class Heads(nn.ModuleDict):
    """Three heads of one shape: one sees both modalities, two see zeros in place of one of them.

    Their losses are added and they share no weights, so each trains as it would alone.

    Args:
        feature_dim: D.
        seed: Seed of the initial weights.
    """

    def __init__(self, feature_dim: int, seed: int) -> None:
        seed_torch(seed, "binary heads")
        super().__init__({name: _head(feature_dim) for name in SEES})

    def logits(self, name: str, video: Tensor, audio: Tensor) -> Tensor:
        """Return the logits (P, K, 2) of a head for features (P, K, D) of each view."""
        shown = zip((video, audio), SEES[name], strict=True)
        seen = [each if visible else torch.zeros_like(each) for each, visible in shown]
        logits: Tensor = self[name](torch.cat(seen, -1))
        return logits

    def loss(self, pairs: Pairs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the losses of all heads, and numbers to record.

        The loss of a head is its cross-entropy, averaged over pairs and views. The numbers are the
        loss of the head that sees both modalities, and the accuracies of all.
        """
        total, numbers = pairs.video.new_zeros(()), {}
        for name in SEES:
            logits = self.logits(name, pairs.video, pairs.audio)
            labels = pairs.labels[:, None].expand(logits.shape[:-1])
            loss = cross_entropy(logits.flatten(0, 1), labels.flatten())
            total = total + loss
            if name == BOTH:
                numbers["loss"] = loss.detach()
            numbers[name] = (decide(logits) == pairs.labels).double().mean()
        return total, numbers


def decide(logits: Tensor) -> Tensor:
    """Return the decisions (P,): the larger logit (P, K, 2) after averaging over the views."""
    return logits.mean(1).argmax(-1)


def _head(feature_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2 * feature_dim, HIDDEN_DIM), nn.ReLU(), nn.Linear(HIDDEN_DIM, 2)
    )
