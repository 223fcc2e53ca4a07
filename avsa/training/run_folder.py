"""The folder of a run: opened once, refused when it holds something else, resumed when asked to.

``config.yaml`` is the whole recipe with all overrides; beside it lie the log, the curves and
``checkpoints/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from avsa.config.recipe import (
    TrainConfig,
    config_from_mapping,
    load_config,
    recipe_names,
    require_same_config,
    save_config,
)
from avsa.data.clips import clips_form
from avsa.data.remote.mirror import address_of, dataset_folder
from avsa.hub.saved import Saved, read_saved
from avsa.training.checkpoint import checkpoints_of
from avsa.training.curriculum import fit_batches, keep_batches
from avsa.training.distributed import from_first_rank
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.locks import exclusive_lock
from yt360.shards.format.reader import ShardReader
from yt360.untrusted.files import read_limited
from yt360.untrusted.yaml_files import read_yaml_mapping

CONFIG_FILE = "config.yaml"
DATASET_FILE = "dataset.txt"
LOCK_FILE = ".lock"
MAX_ADDRESS_BYTES = 1 << 14


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Keep other processes from training in a run's folder, which is created where it is missing.

    The folder is removed again where nothing was written into it.

    Raises:
        Locked: Another process trains in it.
    """
    with exclusive_lock(run / LOCK_FILE, run):
        try:
            yield
        finally:
            (run / LOCK_FILE).unlink(missing_ok=True)
            with suppress(OSError):  # it holds the run
                run.rmdir()


def open_run(
    config: TrainConfig, dataset: Path, clips: str, run: Path, resume: bool
) -> Saved | None:
    """Make a run's folder, or check that the run in it can go on.

    Args:
        config: The recipe.
        dataset: Folder that the run trains on.
        clips: Fingerprint of its clips (`fingerprint`).
        run: The run's folder.
        resume: Whether to go on with the run in it.

    Returns:
        The newest checkpoint, or None when there is none yet.

    Raises:
        UserError: The folder holds a run and `resume` is off, or it holds something else, or the
            recipe or the clips are not those that the run began with.
    """
    if not (run / CONFIG_FILE).exists():
        if run.exists() and {path.name for path in run.iterdir()} - {DATASET_FILE, LOCK_FILE}:
            raise UserError(f"{run} is not empty and holds no run; choose another --out")
        if resume:
            raise UserError(f"{run} holds no run to resume; leave out --resume to start one")
        run.mkdir(parents=True, exist_ok=True)
        with atomic_write(run / DATASET_FILE, "w") as file:
            file.write(f"{address_of(dataset)}\n")
        save_config(config, run / CONFIG_FILE)  # last: what makes the folder a run
        return None
    if not resume:
        raise UserError(
            f"{run} already holds a run; add --resume to go on with it, or choose another --out"
        )
    require_same_config(read_config(run), config)
    if not checkpoints_of(run):
        return None
    saved = read_saved(run)
    require_same_config(saved.config, config)
    if saved.stats is None or saved.task is None or saved.optimizer is None:
        raise UserError(
            f"{checkpoints_of(run)[-1]} lacks what a run needs to go on; start a new run"
        )
    if saved.clips != clips:
        raise UserError(
            f"cannot resume on other clips: {run} began with {saved.clips}, {dataset} has "
            f"{clips}; give the --data that it began with"
        )
    return saved


def read_config(run: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the recipe that a run began with, changed by ``dotted.key=value`` texts."""
    _require_run(run)
    return config_from_mapping(read_yaml_mapping(run / CONFIG_FILE), overrides)


def read_dataset(run: Path) -> str:
    """Return the folder or address of the dataset that a run began with."""
    _require_run(run)
    try:
        content = read_limited(run / DATASET_FILE, MAX_ADDRESS_BYTES).decode()
    except (ValueError, OSError) as error:
        raise UserError(f"{run} does not say which dataset it began with: {error}") from None
    return content.strip()


def _require_run(run: Path) -> None:
    if not (run / CONFIG_FILE).is_file():
        raise UserError(f"{run} holds no run: {CONFIG_FILE} is missing")


def next_run_folder(recipe: str, parent: Path = Path("runs")) -> Path:
    """Return the first free folder of ``runs/RECIPE-1``, ``runs/RECIPE-2``, ..."""
    name = Path(recipe).stem
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def fingerprint(clips: ShardReader) -> str:
    """Return what tells one set of clips from another: how many, and a hash of keys and form."""
    form = json.dumps(asdict(clips_form(clips.info)), sort_keys=True)
    digest = sha256("\n".join([*clips.keys, form]).encode()).hexdigest()
    return f"{len(clips)} clips ({digest[:12]})"


@dataclass(frozen=True)
class Request:
    """What a call of ``avsa train`` asks for, with all defaults settled.

    Attributes:
        config: The recipe, fitted to the dataset.
        dataset: Folder of shards.
        run: Folder of the run.
        notes: Lines about what was fitted.
    """

    config: TrainConfig
    dataset: Path
    run: Path
    notes: list[str]


def settle_request(
    data: Path | None,
    recipe: str | None,
    overrides: Sequence[str],
    out: Path | None,
    resume: bool,
    ranks: int = 1,
    cache_gb: float | None = None,
) -> Request:
    """Return recipe, dataset and folder; what is not given comes from the run to be resumed.

    Batches that are larger than the dataset can fill are lowered (`fit_batches`), unless
    `overrides` set them; a resumed run keeps those that it began with, whatever the number of
    ranks now. Of the run's dataset, if that is elsewhere, at most `cache_gb` are kept here.

    Raises:
        UserError: Something is missing and cannot be known.
    """
    # Asked on every rank, whatever each was told, so that none waits for another one in vain.
    proposed = from_first_rank(next_run_folder(recipe or "run"))
    if resume:
        if out is None:
            raise UserError("--resume needs --out RUN, the folder of the run to go on with")
        config, notes = read_config(out, overrides), list[str]()
        if recipe:
            asked = load_config(recipe, overrides)
            config, notes = keep_batches(asked, read_config(out), _chosen_batches(asked, overrides))
        return Request(config, data or dataset_folder(read_dataset(out), cache_gb), out, notes)
    if data is None or recipe is None:
        raise UserError(
            "--data DATASET and --recipe NAME are needed to start a run; "
            f"recipes: {', '.join(recipe_names())}"
        )
    config = load_config(recipe, overrides)
    num_videos = len(set(ShardReader(data, "train").video_ids))
    config, notes = fit_batches(config, num_videos, ranks, _chosen_batches(config, overrides))
    return Request(config, data, out or proposed, notes)


def _chosen_batches(config: TrainConfig, overrides: Sequence[str]) -> list[str]:
    """Return the stages whose batch size is set by an override."""
    return [
        name
        for name in config.stages
        if any(text.startswith(f"stages.{name}.batch_size=") for text in overrides)
    ]
