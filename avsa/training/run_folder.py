"""The folder of a run: full recipe (``config.yaml``), plugins, datasets, log and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from avsa.config.recipe import config_from_mapping, require_same_config, save_config
from avsa.config.train_config import TrainConfig
from avsa.data.clips import Clips, clips_form, part_numbers, parts_of
from avsa.data.mixture import normalized
from avsa.data.remote.mirror import address_of
from avsa.hub.saved import Saved, read_saved
from avsa.training.checkpoint import checkpoints_of
from avsa.views.audio_statistics import AudioStatistics, combined_statistics, ensure_statistics
from yt360.errors import UserError
from yt360.files import atomic_write, write_json
from yt360.locks import exclusive_lock
from yt360.plugins import loaded_plugins, plugin_names
from yt360.shards.format.schema import DATASET_FILE as DATASET_JSON
from yt360.untrusted.files import read_limited
from yt360.untrusted.yaml_files import read_yaml_mapping

CONFIG_FILE = "config.yaml"
DATASET_FILE = "dataset.txt"
SUMS_FILE = "datasets.json"
PLUGINS_FILE = "plugins.txt"
LOCK_FILE = ".lock"
MAX_ADDRESS_BYTES = 1 << 14
_KEYS_AT_ONCE = 1 << 14


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Lock the folder of a run, which is created if it is missing.

    The folder is removed again if nothing was written into it.

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
    config: TrainConfig,
    datasets: Sequence[Path],
    clips: Clips,
    run: Path,
    resume: bool,
    opened: ExitStack,
) -> tuple[Saved | None, AudioStatistics]:
    """Lock the folder of a run, and create the run or check that it can be resumed.

    Args:
        config: The recipe.
        datasets: Dataset folders that the run trains on.
        clips: Their training split.
        run: The run's folder.
        resume: Whether to resume the run in it.
        opened: Receives the lock.

    Returns:
        The newest checkpoint, or None if there is none yet; and the audio statistics of the run.

    Raises:
        Locked: Another process trains in the folder.
        UserError: The folder holds a run that is not to be resumed, or other files; or the run has
            another recipe or other clips.
    """
    opened.enter_context(run_lock(run))
    if resume:
        saved = _resume(config, datasets, fingerprint(clips), run)
        if saved and saved.audio_statistics:
            return saved, saved.audio_statistics
    else:
        _require_new(run)
    # Measured first, so that a failure leaves no files.
    statistics = _statistics(config, datasets, clips)
    if not resume:
        _create(config, datasets, clips, run)
    return None, statistics


def _statistics(config: TrainConfig, datasets: Sequence[Path], clips: Clips) -> AudioStatistics:
    """Return the audio statistics of the samples of a run."""
    parts = [ensure_statistics(dataset, config.audio) for dataset in datasets]
    if len(parts) == 1:
        return parts[0]
    counts = np.bincount(part_numbers(clips), minlength=len(parts)).tolist()
    return combined_statistics(parts, normalized(config.sampling.weights or counts))


def _require_new(run: Path) -> None:
    """Check that the folder of a new run is empty or does not exist."""
    if (run / CONFIG_FILE).exists():
        raise UserError(
            f"{run} already contains a run; add --resume to resume it, or choose another --out",
            code="exists",
            key="--out",
        )
    _require_free(run)


def _create(config: TrainConfig, datasets: Sequence[Path], clips: Clips, run: Path) -> None:
    run.mkdir(parents=True, exist_ok=True)
    with atomic_write(run / DATASET_FILE, "w") as file:
        file.writelines(f"{address_of(dataset)}\n" for dataset in datasets)
    write_json(run / SUMS_FILE, _sums(datasets, clips))
    with atomic_write(run / PLUGINS_FILE, "w") as file:
        file.writelines(f"{module}\n" for module in loaded_plugins())
    save_config(config, run / CONFIG_FILE)  # last: the file makes the folder a run


def _sums(datasets: Sequence[Path], clips: Clips) -> list[dict[str, Any]]:
    """Return what tells whether a dataset is still the one of the run."""
    numbers = part_numbers(clips)
    return [
        {
            "dataset": address_of(dataset),
            "sha256": sha256((dataset / DATASET_JSON).read_bytes()).hexdigest(),
            "train": fingerprint(part),
            "trained_on": int(np.count_nonzero(numbers == number)),
        }
        for number, (dataset, part) in enumerate(zip(datasets, parts_of(clips), strict=True))
    ]


def _resume(config: TrainConfig, datasets: Sequence[Path], clips: str, run: Path) -> Saved | None:
    """Return the newest checkpoint of a run, or None if there is none yet."""
    if not (run / CONFIG_FILE).exists():
        _require_free(run)
        raise UserError(
            f"{run} contains no run to resume; leave out --resume to start one",
            code="missing",
            key="--out",
        )
    require_same_config(read_config(run), config)
    if not checkpoints_of(run):
        return None
    saved = read_saved(run)
    require_same_config(saved.config, config)
    if saved.audio_statistics is None or saved.task is None or saved.optimizer is None:
        raise UserError(
            f"{checkpoints_of(run)[-1]} has no audio statistics, task or optimizer, which resuming "
            "needs; start a new run",
            key=checkpoints_of(run)[-1],
        )
    if saved.clips != clips:
        given = ", ".join(map(str, datasets))
        raise UserError(
            f"cannot resume on other clips: {run} has {saved.clips}, {given} has {clips}; give the "
            "--data of the run, several in its order",
            code="conflict",
            key="--data",
        )
    return saved


def _require_free(run: Path) -> None:
    run_files = {DATASET_FILE, SUMS_FILE, PLUGINS_FILE, LOCK_FILE}
    if run.exists() and {path.name for path in run.iterdir()} - run_files:
        raise UserError(
            f"{run} is not empty and contains no run; choose another --out",
            code="exists",
            key="--out",
        )


def read_config(run: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the recipe of a run, with ``dotted.key=value`` overrides.

    Raises:
        UserError: `run` is not the folder of a run, or its recipe needs a plugin that is not loaded
            (``"dependency"``).
    """
    _require_run(run)
    return config_from_mapping(read_yaml_mapping(run / CONFIG_FILE), overrides, _plugins_of(run))


def read_datasets(run: Path) -> list[str]:
    """Return the folders or URLs of the datasets of a run, of which there is at least one."""
    _require_run(run)
    try:
        content = read_limited(run / DATASET_FILE, MAX_ADDRESS_BYTES, inside=run).decode()
    except (ValueError, OSError) as error:
        raise UserError(
            f"{run / DATASET_FILE} cannot be read ({error}); give --data", key=run / DATASET_FILE
        ) from None
    return content.split("\n") if (content := content.strip()) else [""]


def _plugins_of(run: Path) -> Sequence[str]:
    """Return the plugins of a run; none if they are not recorded."""
    try:
        return plugin_names(read_limited(run / PLUGINS_FILE, MAX_ADDRESS_BYTES).decode().split())
    except FileNotFoundError:
        return ()
    except (ValueError, OSError) as error:
        raise UserError(
            f"{run / PLUGINS_FILE} is damaged: {error}; write the names of the plugins of the run "
            "into it, one per line",
            key=run / PLUGINS_FILE,
        ) from None


def _require_run(run: Path) -> None:
    if not (run / CONFIG_FILE).is_file():
        raise UserError(
            f"{run} contains no run: {CONFIG_FILE} is missing; give the folder of a run",
            code="missing",
            key=run,
        )


def fingerprint(clips: Clips) -> str:
    """Return the number of clips and a hash of their keys and format."""
    forms = [json.dumps(asdict(clips_form(part.info)), sort_keys=True) for part in parts_of(clips)]
    digest = sha256()
    for start in range(0, len(clips), _KEYS_AT_ONCE):
        keys = clips.keys[start : start + _KEYS_AT_ONCE]
        digest.update("\n".join([*keys, ""]).encode())
    digest.update("".join(forms).encode())
    return f"{len(clips)} clips ({digest.hexdigest()[:12]})"
