"""The check between the gradient and the optimizer step: can these numbers be a gradient at all?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from avsa.training.distributed import World, gather_lists
from yt360.errors import UserError
from yt360.files import write_json

FLOAT32_EPSILON = 2.0**-23


def is_plausible(loss: float, gradient_norm: float, weight_norm: float) -> bool:
    """Return whether loss and gradient are finite and the gradient is not absurdly long.

    A gradient is absurd if rounding the weights to float32, a relative change of 1.2e-7, could
    change the loss by more than its own size (and by more than 1): nothing can be learned from it.
    Convolutions that read uninitialized memory give such gradients, and so does training that
    diverges.
    """
    change = gradient_norm * weight_norm * FLOAT32_EPSILON
    return math.isfinite(loss) and change <= max(1.0, abs(loss))  # False for inf and NaN


def implausible_step(
    run: Path, world: World, step: int, record: Mapping[str, float], keys: list[str]
) -> UserError:
    """Save the clips of a step that is not plausible; return the error to raise.

    Args:
        run: The run's folder, for ``implausible-step-N.json``.
        world: This process among the ranks; all ranks take part.
        step: The step.
        record: Its ``loss``, ``gradient_norm`` and ``weight_norm``.
        keys: This rank's clips.
    """
    path = run / f"implausible-step-{step:08d}.json"
    keys = gather_lists(keys)
    found = {name: str(record[name]) for name in ("loss", "gradient_norm", "weight_norm")}
    if world.is_first:
        write_json(path, {"step": step, **found, "keys": keys})
    values = ", ".join(f"{name} is {value}" for name, value in found.items())
    return UserError(
        f"{values} at step {step}: not finite, or far too large; the weights are unchanged and the "
        f"batch's clips are in {path}; a resumed run repeats this step: with bfloat16, resume with "
        "--set compute.bfloat16=off, else start a new run with a lower optimizer.lr or with "
        "optimizer.max_grad_norm",
        code="out-of-range",
        key="gradient_norm",
    )
