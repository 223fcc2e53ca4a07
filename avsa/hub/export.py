"""Export of a trained model: a folder with safetensors, its recipe, and a model card."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save

from avsa.config.recipe import save_config
from avsa.hub.model_card import model_card
from avsa.hub.saved import RECIPE_FILE, WEIGHTS_FILE, is_export, read_saved
from yt360.config import to_mapping
from yt360.errors import UserError
from yt360.files import atomic_write

CARD_FILE = "README.md"


def export_model(checkpoint: Path, out: Path) -> None:
    """Write weights, recipe and model card of a checkpoint to a folder that `avsa.load` reads.

    Args:
        checkpoint: A checkpoint file or the folder of a run.
        out: A folder that is new, empty, or left by an interrupted call.

    Raises:
        UserError: `checkpoint` is not a checkpoint, or `out` holds something else (``"exists"``).
    """
    saved = read_saved(checkpoint)
    parts = {"encoders": saved.encoders, "task": saved.task or {}}
    parts["stats"] = vars(saved.audio_statistics) if saved.audio_statistics else {}
    tensors = {  # cloned, because tensors of a checkpoint may share memory
        f"{part}.{name}": tensor.clone(memory_format=torch.contiguous_format)
        for part, named in parts.items()
        for name, tensor in named.items()
    }
    facts = {key: getattr(saved, key) for key in ("stage", "step", "clips", "fps", "plugins")}
    facts = {"config": to_mapping(saved.config), **facts}
    weights = _ordered(save(tensors, metadata={"format": "pt", "avsa": json.dumps(facts)}))
    if is_export(out) and (out / WEIGHTS_FILE).read_bytes() == weights:
        return  # a former call was killed after its last write
    if not _is_free(out):
        raise UserError(f"{out} is not an empty folder; choose another --out", "exists", "--out")
    out.mkdir(parents=True, exist_ok=True)
    try:
        # The weights are renamed last, so a folder with weights is complete. Their temporary file
        # is created first, so other files beside it, without weights, come from this function.
        with atomic_write(out / WEIGHTS_FILE) as file:
            save_config(saved.config, out / RECIPE_FILE)
            with atomic_write(out / CARD_FILE, "w") as card:
                card.write(model_card(saved))
            file.write(weights)
    except BaseException:  # the same command must work again once there is space
        for name in (RECIPE_FILE, CARD_FILE):
            (out / name).unlink(missing_ok=True)
        raise


def _ordered(weights: bytes) -> bytes:
    """Return a safetensors file with sorted metadata, which `save` writes in random order.

    The file begins with the length of its header (8 bytes); headers are padded to multiples of 8.
    """
    end = 8 + int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + weights[end:]


def _is_free(out: Path) -> bool:
    """Return whether a folder is new, empty, or was left by a killed export."""
    if not out.is_dir():
        return not out.exists()
    names = {path.name for path in out.iterdir()}
    temporary = {name for name in names if name.startswith(f".{WEIGHTS_FILE}.")}
    ours = tuple(name for file in (RECIPE_FILE, CARD_FILE) for name in (file, f".{file}."))
    return not names or (bool(temporary) and all(n.startswith(ours) for n in names - temporary))
