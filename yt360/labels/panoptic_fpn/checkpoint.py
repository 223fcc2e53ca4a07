"""Read the weights of a Panoptic FPN from detectron2's ``.pkl``, ``.pth`` or ``.safetensors``.

The weights of ``panoptic_fpn_R_101_3x`` (``model_final_cafdb1.pkl``) are published by detectron2's
authors under CC BY-SA 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from yt360.errors import UserError
from yt360.labels.panoptic_fpn.network import PanopticFPN, Widths
from yt360.untrusted.arrays import read_arrays
from yt360.untrusted.safetensors_files import read_safetensors
from yt360.untrusted.torch_files import read_torch

SUFFIXES = (".pkl", ".pth", ".pt", ".safetensors")
NAMES_SHOWN = 5
_NOT_WEIGHTS = re.compile(
    r"^(pixel_mean|pixel_std|proposal_generator\.anchor_generator\.cell_anchors\.\d+)$"
    r"|\.num_batches_tracked$"
)
_NOT_NEEDED = re.compile(rf"{_NOT_WEIGHTS.pattern}|\.norm\.running_(mean|var)$")


def load_network(path: Path, device: torch.device | str = "cpu") -> PanopticFPN:
    """Build the network with the widths and weights of a checkpoint.

    Args:
        path: ``.pkl`` as detectron2 publishes it, or its state dict as ``.pth`` or
            ``.safetensors``. Nothing in it is executed.
        device: Where the network goes.

    Returns:
        The network in evaluation mode, in float32.

    Raises:
        UserError: The file is missing, damaged, hostile, or of another architecture; the message
            then names the first parameters missing, unexpected and of another shape.
    """
    state = read_state(path)
    widths = _widths(path, state)
    with torch.device("meta"):  # allocates no memory, since widths may be huge
        expected = PanopticFPN(widths).state_dict()
    difference = mismatch(state, expected)
    if difference:
        raise UserError(
            f"{path} is not a COCO Panoptic FPN R-101 ({difference}); "
            "the published one is model_final_cafdb1.pkl"
        )
    network = PanopticFPN(widths)
    network.load_state_dict(state, strict=False)
    return network.eval().requires_grad_(False).to(device)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the named weights of a checkpoint, without other entries.

    Raises:
        UserError: The file is missing, damaged or hostile, or holds no named arrays.
    """
    if not path.is_file():
        raise UserError(
            f"there is no checkpoint {path}; give a file that ends in {', '.join(SUFFIXES)}"
        )
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} has an unknown suffix; use {', '.join(SUFFIXES)}")
    content = _read(path)
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping):
        raise UserError(f"{path} contains a {type(content).__name__}, not named weights")
    state = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray | Tensor):
            raise UserError(f"{path}: entry {str(name)[:80]!r} is not an array")
        if not _NOT_WEIGHTS.search(name):
            state[name] = _to_tensor(path, name, value)
    if not state:
        raise UserError(f"{path} contains no weights")
    return state


def _read(path: Path) -> Any:
    """Return the content of a file."""
    readers: dict[str, tuple[Callable[[Path], Any], str]] = {
        ".pkl": (read_arrays, "cannot be read as a pickle of arrays"),
        ".safetensors": (lambda path: read_safetensors(path)[0], "is no safetensors file"),
    }
    reader, problem = readers.get(path.suffix, (read_torch, "cannot be read as weights alone"))
    try:
        return reader(path)
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path} {problem}: {error}; get the checkpoint from its publisher again"
        ) from None


def _to_tensor(path: Path, name: str, value: np.ndarray | Tensor) -> Tensor:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiu":
            raise UserError(f"{path}: {name} has dtype {value.dtype}; weights must be numbers")
        # Convert with NumPy, because torch does not support every byte order and width.
        with np.errstate(over="ignore"):
            value = torch.from_numpy(value.astype(np.float32))
    if value.layout is not torch.strided or value.is_complex() or value.is_quantized:
        raise UserError(f"{path}: {name} is not a plain array of real numbers")
    return value.float()


def _widths(path: Path, state: dict[str, Tensor]) -> Widths:
    published = Widths()
    sources = {
        "stem": ("backbone.bottom_up.stem.conv1.weight", published.stem),
        "bottleneck": ("backbone.bottom_up.res2.0.conv1.weight", published.bottleneck),
        "res2": ("backbone.bottom_up.res2.0.conv3.weight", published.res2),
        "fpn": ("backbone.fpn_lateral2.weight", published.fpn),
        "box_hidden": ("roi_heads.box_head.fc1.weight", published.box_hidden),
        "mask_hidden": ("roi_heads.mask_head.mask_fcn1.weight", published.mask_hidden),
        "semantic_hidden": ("sem_seg_head.p2.0.weight", published.semantic_hidden),
    }
    widths = {
        name: state[key].shape[0] if key in state and state[key].ndim > 0 else default
        for name, (key, default) in sources.items()
    }
    if widths["semantic_hidden"] % 32 or max(widths.values()) > 1 << 14:
        raise UserError(f"{path} has layer widths {widths}, which is not a Panoptic FPN")
    return Widths(**widths)


def mismatch(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Describe how the weights of a checkpoint differ from those of a network.

    The running statistics of frozen batch norms may be missing; detectron2 takes them as 0 and 1.

    Args:
        state: Weights by name, as `read_state` returns them.
        expected: Weights of the network by name.

    Returns:
        The first missing, unexpected and differently shaped names with their numbers; empty if the
        weights fit.
    """
    missing = [n for n in expected if n not in state and not _NOT_NEEDED.search(n)]
    unexpected = [n for n in state if n not in expected]
    differing = [
        f"{n} {tuple(state[n].shape)} instead of {tuple(expected[n].shape)}"
        for n in expected
        if n in state and state[n].shape != expected[n].shape
    ]
    return "; ".join(
        f"{len(names)} {what}: {', '.join(names[:NAMES_SHOWN])}"
        + (", ..." if len(names) > NAMES_SHOWN else "")
        for what, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", differing),
        )
        if names
    )
