"""The values of a checkpoint, to compare them to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avsa.training.checkpoint import checkpoints_of


def newest_sum(path: Path) -> str | None:
    """Return a sum of the values of a checkpoint; None if its run has a newer one."""
    if path != checkpoints_of(path.parents[1])[-1]:
        return None
    state = _values(torch.load(path, map_location="cpu", weights_only=True))
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _values(content: Any) -> Any:
    """Return nested values for JSON, with type, shape and a hash of the bytes of each tensor.

    Equal checkpoints may differ in bytes: a pickle refers to what it holds already, and after
    loading equal keys of two dicts are no longer one object.
    """
    if isinstance(content, Tensor):
        stored = content.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        digest = hashlib.sha256(stored).hexdigest()
        return [str(content.dtype), list(content.shape), digest]
    if isinstance(content, Mapping):
        return {str(key): _values(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_values(value) for value in content]
    return repr(content)
