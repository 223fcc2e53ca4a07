"""Translation networks: from the features of one modality's views to those of the other.

Equations 4-6 of "Learning Representations from Audio-Visual Spatial Alignment" (Morgado et al.,
NeurIPS 2020): a transformer encoder over the K views of one clip, with a single head, no positional
encoding and layer norm after each sum. Its ablation, an MLP, sees each view alone. Parameter names
are those of the published weights.

Shapes: B clips, K views, D features.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from yt360.config import config_class

EXPANSION = 4


@config_class
class TranslationConfig:
    """The network that predicts one modality's features from the other's."""

    kind: Literal["transformer", "mlp", "none"] = "none"
    """transformer: attends to all views of a clip; mlp: each view alone; none: features are
    compared as they are, after their linear heads."""
    depth: Annotated[int, Field(ge=1, le=64)] = 2
    """Number of layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Probability of dropout before each layer norm."""
    output_relu: bool = False
    """ReLU at the end of each layer, as in the published code but not in the paper."""

    def build(self, dim: int) -> nn.Module:
        """Return a network with new weights: features (B, K, dim) to features (B, K, dim)."""
        return nn.Identity() if self.kind == "none" else TranslationNetwork(self, dim)


class TranslationNetwork(nn.Module):
    """A stack of layers over (B, K, D)."""

    def __init__(self, config: TranslationConfig, dim: int) -> None:
        super().__init__()
        layer = TransformerLayer if config.kind == "transformer" else MlpLayer
        self.transformer = nn.Sequential(
            *[layer(dim, config.dropout, config.output_relu) for _ in range(config.depth)]
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return predicted features (B, K, D) of the other modality."""
        translated: Tensor = self.transformer(features)
        return translated


class TransformerLayer(nn.Module):
    """Attention among the views, then a two-layer network on each; post-norm."""

    def __init__(self, dim: int, dropout: float, output_relu: bool) -> None:
        super().__init__()
        self.attention = SingleHeadAttention(dim)
        self.attention_norm = nn.LayerNorm(dim)
        self.dense = _two_layers(dim, EXPANSION * dim)
        self.dense_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.ReLU() if output_relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K, D) of (B, K, D)."""
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        x = self.dense_norm(x + self.dropout(self.dense(x)))
        output: Tensor = self.output(x)
        return output


class SingleHeadAttention(nn.Module):
    """Eq. 4: softmax(query . key / sqrt(D)) over the views of one clip, one head."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.dense = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K, D) of (B, K, D)."""
        scores = self.query(x) @ self.key(x).transpose(-2, -1) / math.sqrt(x.shape[-1])
        mixed: Tensor = self.dense(torch.softmax(scores, dim=-1) @ self.value(x))
        return mixed


class MlpLayer(nn.Module):
    """The ablation: a two-layer network replaces the attention.

    Its hidden width of 2 D gives as many weights (4 D²) as query, key, value and dense.
    """

    def __init__(self, dim: int, dropout: float, output_relu: bool) -> None:
        super().__init__()
        self.dense1 = _two_layers(dim, 2 * dim)
        self.dense1_norm = nn.LayerNorm(dim)
        self.dense2 = _two_layers(dim, EXPANSION * dim)
        self.dense2_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.ReLU() if output_relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K, D) of (B, K, D)."""
        x = self.dense1_norm(x + self.dropout(self.dense1(x)))
        x = self.dense2_norm(x + self.dropout(self.dense2(x)))
        output: Tensor = self.output(x)
        return output


def _two_layers(dim: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
