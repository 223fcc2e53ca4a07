"""Doors of checkpoints, weights and recipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random

from fuzzing.archives import mutate_safetensors, mutate_zip
from fuzzing.door import Door, Files, door_of
from fuzzing.doors_catalog import mutate_yaml
from fuzzing.material import checkpoint, published, saved, written
from fuzzing.mutate import mutate_bytes, mutate_json, mutate_text
from fuzzing.pickles import mutate_pickle


def _arrays() -> dict[str, object]:
    """Return a state dict as detectron2 publishes it: arrays in a plain pickle."""
    import numpy as np

    import_module("yt360.labels.panoptic_fpn.checkpoint")  # here, else in every child process

    state = {
        "backbone.fpn_lateral2.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
        "roi_heads.box_head.fc1.weight": np.ones((4, 4), np.float32),
        "sem_seg_head.predictor.bias": np.zeros(3, np.float16),
        "pixel_mean": np.zeros((3, 1, 1), np.float64),
    }
    return {"model": state, "__author__": "a", "matching_heuristics": True}


@cache
def _pickle() -> Files:
    import pickle

    return {"model.pkl": pickle.dumps(_arrays(), protocol=2)}


@cache
def _torch_weights() -> Files:
    import torch

    state = {name: torch.from_numpy(each) for name, each in _arrays()["model"].items()}  # type: ignore[attr-defined]
    return {"model.pth": saved({"model": state})}


@cache
def _safetensors() -> Files:
    import torch
    from safetensors.torch import save

    state = {name: torch.from_numpy(each) for name, each in _arrays()["model"].items()}  # type: ignore[attr-defined]
    return {"model.safetensors": save(state)}


@cache
def _checkpoint() -> Files:
    return {"step-00000003.pt": saved(checkpoint())}


@cache
def _published() -> Files:
    return {"published.pth": saved(published())}


@cache
def _export() -> Files:
    def write(folder: Path) -> None:
        from avsa.hub.export import export_model

        (folder / "c.pt").write_bytes(saved(checkpoint()))
        export_model(folder / "c.pt", folder / "model")
        (folder / "c.pt").unlink()

    return written(write)


@cache
def _stats() -> Files:
    def write(folder: Path) -> None:
        import numpy as np

        from avsa.views.spectrogram import AudioConfig

        bands = AudioConfig().n_mels
        np.savez(folder / "stats.npz", mean=np.zeros(bands), std=np.ones(bands))

    return written(write)


def _read_state(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from yt360.labels.panoptic_fpn.checkpoint import read_state

        return read_state(folder / name)

    return read


def _load(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from avsa import load

        return load(folder / name)

    return read


def _read_checkpoint(folder: Path) -> None:
    from avsa.training.checkpoint import load_checkpoint

    load_checkpoint(folder / "step-00000003.pt")


def _import_published(folder: Path) -> None:
    from avsa.hub.published import import_published

    import_published(folder / "published.pth")


def _read_stats(folder: Path) -> None:
    from avsa.hub.published import read_any_stats

    read_any_stats(folder / "stats.npz")


def _change_member(draw: Random, name: str, content: bytes) -> bytes:
    """Change a member of what torch saves: its pickle by operations, all else by bytes."""
    if name.endswith("data.pkl"):
        return mutate_pickle(draw, content)
    return mutate_bytes(draw, content)


def _change_torch(draw: Random, content: bytes) -> bytes:
    return mutate_zip(draw, content, _change_member)


def _change_values(content: Callable[[], dict[str, object]]) -> Callable[[Random, bytes], bytes]:
    """Return what changes the plain values of a checkpoint, and keeps it one that torch reads."""

    def change(draw: Random, file: bytes) -> bytes:
        if draw.random() < 0.4:
            return _change_torch(draw, file)
        return saved(_with_odd_values(draw, content()))

    return change


def _with_odd_values(draw: Random, value: object, depth: int = 0) -> object:
    """Return nested values in which one was replaced by something that torch can save."""
    import torch

    if isinstance(value, dict) and value and (depth == 0 or draw.random() < 0.85):
        key = draw.choice(list(value))
        if draw.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _with_odd_values(draw, value[key], depth + 1)}
    nested: list[object] = []
    for _ in range(draw.choice((1, 100))):
        nested = [nested]
    tensors = (
        torch.zeros(0), torch.zeros(3), torch.tensor(float("nan")), torch.zeros(3) > 0,
        torch.zeros(2, 2, dtype=torch.complex64), torch.zeros(1).expand(1 << 20, 1 << 20),
        torch.zeros(2, 2).to_sparse(), torch.zeros(2, device="meta"),
    )  # fmt: skip
    plain: tuple[object, ...] = (
        None, 0, -1, 1, 2**31, 2**70, 1e308, float("nan"), True, "", "x", "\x1b[2J", [], {}, nested,
        {1: 2}, {"a": None}, (), torch.float32, torch.Size([1]),
    )  # fmt: skip
    return draw.choice((*plain, *tensors))


def _read_recipe(folder: Path) -> None:
    from avsa.config.recipe import load_config

    load_config(str(folder / "recipe.yaml"))


def _read_settings(folder: Path) -> None:
    from avsa.config.recipe import load_config

    load_config("small", (folder / "set").read_text(encoding="utf-8", errors="replace").split("\n"))


def _change_settings(draw: Random, content: bytes) -> bytes:
    lines = content.decode().split("\n")
    chosen = draw.sample(lines, draw.randint(1, 3))
    return mutate_text(draw, "\n".join(chosen)).encode(errors="replace")


SETTINGS = b"""\
optimizer.lr=0.001
stages.avsa.steps=10
views.num_views=4
audio.n_mels=64
sampling={draws_per_video: 2}
stages.avsa.task={kind: avsa, translation: {kind: transformer, depth: 2}}
encoders.video={base_channels: 16, blocks_per_stage: 1}
validation.every_steps=null"""


def _recipe() -> Files:
    from importlib import resources

    return {"recipe.yaml": (resources.files("avsa.config") / "recipes" / "small.yaml").read_bytes()}


def _run() -> Files:
    log = b"".join(b'{"step": %d, "loss": 0.5, "images_per_s": 1.0}\n' % step for step in range(5))
    (recipe,) = _recipe().values()
    return {"run/config.yaml": recipe, "run/dataset.txt": b"data\n", "run/metrics.jsonl": log}


def _read_run(folder: Path) -> None:
    from avsa.training.run_folder import read_config, read_datasets

    read_config(folder / "run")
    read_datasets(folder / "run")


def _change_safetensors(draw: Random, content: bytes) -> bytes:
    return mutate_safetensors(draw, content, mutate_json)


DOORS: Sequence[Door] = (
    door_of("weights (.pkl)", _read_state("model.pkl"), _pickle, {"model.pkl": mutate_pickle}),
    door_of(
        "weights (.pth)", _read_state("model.pth"), _torch_weights, {"model.pth": _change_torch}
    ),
    door_of(
        "weights (.safetensors)",
        _read_state("model.safetensors"),
        _safetensors,
        {"model.safetensors": _change_safetensors},
    ),
    door_of("checkpoint (.pt)", _read_checkpoint, _checkpoint, {"step-00000003.pt": _change_torch}),
    door_of(
        "avsa.load, checkpoint",
        _load("step-00000003.pt"),
        _checkpoint,
        {"step-00000003.pt": _change_values(checkpoint)},
        fraction=0.3,
    ),
    door_of(
        "avsa.load, export",
        _load("model"),
        _export,
        {"model/model.safetensors": _change_safetensors},
        fraction=0.3,
    ),
    door_of(
        "published weights",
        _import_published,
        _published,
        {"published.pth": _change_values(published)},
        fraction=0.3,
    ),
    door_of(
        "statistics (.npz)",
        _read_stats,
        _stats,
        {"stats.npz": lambda draw, content: mutate_zip(draw, content, _change_member)},
    ),
    door_of(
        "folder of a run",
        _read_run,
        _run,
        {"run/config.yaml": mutate_yaml, "run/dataset.txt": mutate_bytes},
        found=True,
    ),
    door_of("recipe (YAML)", _read_recipe, _recipe, {"recipe.yaml": mutate_yaml}),
    door_of("--set", _read_settings, lambda: {"set": SETTINGS}, {"set": _change_settings}),
)
