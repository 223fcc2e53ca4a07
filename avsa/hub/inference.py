"""Features of a trained model, in bfloat16 where that is faster and repeats to the bit.

Shapes: N samples, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor, nn

from avsa.models.compute import CHANNELS_LAST, ComputeConfig, autocast, is_on
from avsa.models.repeatability import has_bfloat16_units, is_repeatable, options_to_try

# Samples of the first inputs on which a CPU is tested.
TESTED = 8


class Inference:
    """Applies encoders with the options of a recipe, as far as the device has and repeats them.

    CUDA devices use the options of the recipe. A CPU uses bfloat16 if it has units for it, the
    recipe does not turn it off, and the first inputs of an encoder give equal features every time,
    close to those in float32; and channels_last together with bfloat16.

    Args:
        compute: The options of the recipe.
        has_units: Whether this CPU has units for bfloat16.
    """

    def __init__(
        self, compute: ComputeConfig, has_units: Callable[[], bool] = has_bfloat16_units
    ) -> None:
        self._wanted, self._has_units = compute, has_units
        self._chosen: dict[tuple[str, torch.device], ComputeConfig] = {}

    def features(self, name: str, encoder: nn.Module, views: Tensor) -> Tensor:
        """Return float32 features (N, D).

        Args:
            name: Name of the encoder.
            encoder: In evaluation mode.
            views: Its input (N, ...).
        """
        place = name, views.device
        if place not in self._chosen:
            self._chosen[place] = self.options(encoder, views[:TESTED])
        return _features(encoder, views, self._chosen[place])

    def options(self, encoder: nn.Module, views: Tensor) -> ComputeConfig:
        """Return the options for an encoder, tested on some inputs."""
        if views.device.type != "cpu":
            return self._wanted
        # What a recipe turns on is for training; a CPU without units would be slower with it.
        automatic = replace(
            self._wanted,
            bfloat16="off" if self._wanted.bfloat16 == "off" else "auto",
            channels_last="off" if self._wanted.channels_last == "off" else "auto",
        )
        *candidates, plain = options_to_try(automatic, self._has_units())
        computation = partial(_tested_features, encoder, views)
        in_float32 = cache(partial(computation, plain))
        for candidate in candidates:
            if is_repeatable(computation, candidate, in_float32):
                return candidate
        return plain


def _tested_features(encoder: nn.Module, views: Tensor, compute: ComputeConfig) -> list[Tensor]:
    return [_features(encoder, views, compute)]


def _features(encoder: nn.Module, views: Tensor, compute: ComputeConfig) -> Tensor:
    if is_on(compute.channels_last, views.device) and views.ndim in CHANNELS_LAST:
        views = views.contiguous(memory_format=CHANNELS_LAST[views.ndim])
    with autocast(compute, views.device):
        features: Tensor = encoder(views)
    return features.float()
