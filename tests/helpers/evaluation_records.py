"""Folders of runs with records of evaluations, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from avsa.config.recipe import load_config, save_config
from avsa.evals.result import FOLDER, Metric, Record, Result, Subject, write_record
from yt360.config import to_mapping

MADE = {"version": "0.1.0", "made_at": "2026-01-01T00:00:00+00:00", "device": "cpu, 1 rank"}


@cache
def _recipe(name: str) -> dict[str, Any]:
    return to_mapping(load_config(name))


def make_run(folder: Path, recipe: str, seed: int = 0, dataset: str = "data/yt360") -> Path:
    """Make the folder of a run of a recipe, without weights."""
    folder.mkdir(parents=True)
    save_config(load_config(recipe, [f"seed={seed}"]), folder / "config.yaml")
    (folder / "dataset.txt").write_text(f"{dataset}\n")
    return folder


def make_record(
    run: Path,
    kind: str,
    settings: Mapping[str, Any],
    metrics: Mapping[str, float | Metric],
    *,
    recipe: str = "avsa",
    seed: int = 0,
    name: str = "",
    data: Mapping[str, str] | None = None,
    **result: Any,
) -> Path:
    """Write a record of an evaluation of a run, or of ``scratch`` or ``kinetics``."""
    if recipe in ("scratch", "kinetics"):
        subject = Subject(name=recipe)
    else:
        settings_of_recipe = {**_recipe(recipe), "seed": seed}
        subject = Subject(
            name=str(run),
            weights_sha256=f"{recipe}{seed}".encode().hex().ljust(64, "0"),
            step=1000,
            stage=list(settings_of_recipe["stages"])[-1],
            recipe=settings_of_recipe,
        )
    numbers = {
        key: each if isinstance(each, Metric) else Metric(value=each)
        for key, each in metrics.items()
    }
    address = {"path": "data/yt360", "train": "9 clips (aa)", "test": "3 clips (bb)"}
    record = Record(
        kind=kind,
        settings={"kind": kind, "seed": 0, **settings},
        subject=subject,
        data=address if data is None else data,
        command=f"avsa eval {kind} {subject.name}",
        result=Result(metrics=numbers, **result),
        **MADE,
    )
    options = "-".join(str(each).replace("/", "") for each in settings.values())
    path = run / FOLDER / f"{name or f'{kind}.{options}'}.json"
    write_record(record, path)
    return path
