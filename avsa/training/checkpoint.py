"""Checkpoints: one file from which a run can be resumed or a model loaded.

A file gets its name only after it was written completely and read back. It holds only tensors and
plain values, and only these are read (`yt360.untrusted.torch_files`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from yt360.buckets.address import require_local
from yt360.config import config_class
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.untrusted.torch_files import read_torch

FORMAT = "avsa-checkpoint"
VERSION = 1
FOLDER = "checkpoints"
_NAME = re.compile(r"^step-(\d{8,})\.pt$")


@config_class
class CheckpointConfig:
    """When checkpoints are saved."""

    every_steps: Annotated[int, Field(ge=1, le=10**9)] = 1000
    """Steps between two checkpoints; the last step is always saved."""
    keep_last: Annotated[int, Field(ge=1, le=10**6)] = 3
    """Number of checkpoints that are kept, the newest ones."""


def checkpoint_path(run: Path, step: int) -> Path:
    """Return the path of the checkpoint of a step."""
    return run / FOLDER / f"step-{step:08d}.pt"


def checkpoints_of(run: Path) -> list[Path]:
    """Return a run's checkpoints, oldest first."""
    folder = run / FOLDER
    names = [path for path in folder.iterdir() if _NAME.match(path.name)] if folder.is_dir() else []
    return sorted(names, key=checkpoint_step)


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint to a temporary file, read it back, compare, and rename it.

    Args:
        path: The final path; its folder is created.
        content: Nested dicts and lists of tensors and plain values.

    Raises:
        OSError: It cannot be written, or has different content when it is read back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"format": FORMAT, "version": VERSION, **content}
    with atomic_write(path) as file:
        torch.save(whole, file)
        file.flush()
        with suppress(ValueError):
            if _same(whole, read_torch(Path(file.name))):
                return
        raise OSError(f"{path} has different content when it is read back; check the disk")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU, unchecked (see `avsa.hub.saved.read_saved`).

    Args:
        path: A checkpoint, or the folder of a run (its newest checkpoint).

    Raises:
        UserError: There is none, or it is not a checkpoint of avsa.
    """
    path = newest_checkpoint(path)
    try:
        content = read_torch(path)
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path} is not a checkpoint ({error}); give a file that avsa train saved", key=path
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        hint = ""
        if isinstance(content, dict) and {"model", "train_criterion"} <= content.keys():
            hint = f"; it looks published with the paper: avsa import-checkpoint {path} --out CKPT"
        raise UserError(f"{path} is not a checkpoint of avsa{hint}", key=path)
    version = content.get("version")
    if type(version) is not int or version != VERSION:
        shown = version if type(version) is int else f"({type(version).__name__})"
        raise UserError(
            f"{path} has checkpoint version {shown}; this version of avsa reads {VERSION}; "
            "load it with the version of avsa that wrote it",
            code="unsupported",
            key=path,
        )
    return content


def newest_checkpoint(path: Path) -> Path:
    """Return `path` itself when it is a file, or the newest checkpoint of a run folder."""
    if path.is_file():
        return path
    if not path.exists():
        require_local(path, "the run or one of its checkpoints")
        raise UserError(
            f"checkpoint {path} does not exist; check the path", code="missing", key=path
        )
    found = checkpoints_of(path)
    if not found:
        raise UserError(
            f"{path} contains no checkpoint; give a file, or the folder of a run",
            code="missing",
            key=path,
        )
    return found[-1]


def drop_old_checkpoints(run: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints of a run."""
    for path in checkpoints_of(run)[:-keep]:
        path.unlink()


def checkpoint_step(path: Path) -> int:
    """Return the step in the name of a checkpoint; -1 for other names."""
    match = _NAME.match(path.name)
    return int(match[1]) if match else -1


def _same(value: Any, other: Any) -> bool:
    """Compare nested values; tensors bit by bit (NaN equals NaN)."""
    if isinstance(value, Tensor):
        if not isinstance(other, Tensor) or value.shape != other.shape:
            return False
        return value.dtype == other.dtype and torch.equal(
            value.detach().cpu().contiguous().view(-1).view(torch.uint8),
            other.contiguous().view(-1).view(torch.uint8),
        )
    if isinstance(value, Mapping):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(_same, value, other))
    return bool(value == other)
