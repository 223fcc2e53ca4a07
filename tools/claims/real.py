"""Test models that were trained on scenes on real recordings, without training on any.

    PYTHONPATH=tools python -m claims.real RUN... --data SCENES --real-bench FOLDER --out real.json

FOLDER holds ``labels.csv`` and ``clips/``; all recordings with spatial sound become the split test
of a dataset. For each run, AVSA-Bin trains its heads on SCENES and tests them on the recordings,
and localization is measured against the labelled directions. The heads are trained as in the grid
(`claims.size`). Records are kept beside the dataset, not in the runs, and are not made again.

Pieces of one recording are clips of one video, which is the unit of the intervals. `usable` is the
accuracy without the recordings whose sound field is labelled unusable.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from quality.real_bench import Row, read_labels
from quality.real_sources import source_of

from avsa.data.clips import clips_form, open_clips
from avsa.evals.base import EvaluationConfig, Offer
from avsa.evals.bootstrap import bootstrap_interval
from avsa.evals.comparison.paired import video_values
from avsa.evals.config_options import configure
from avsa.evals.result import PATH, TEST_PATH, Metric, Record
from avsa.evals.run import evaluate
from avsa.evals.subject import Evaluated, open_subject
from avsa.training.distributed import World, joined_world
from claims.size import SIZES, Size
from yt360.clip_codec.format import ClipFormat
from yt360.clips import DEFAULT_CLIP_S, TimeRange
from yt360.files import write_json
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.inputs.input_video import FoundInputs, InputVideo
from yt360.shards.builder.options import BuildOptions

VIEWS = (1, 4)
SECONDS = DEFAULT_CLIP_S
DRAWS = 20
"""Draws of each recording in AVSA-Bin: there are few recordings, and a draw has one second."""
FUMA, UNUSABLE = "fuma-order", "unusable"
CONTROLS: Mapping[str, Sequence[str]] = {
    "accuracy": ("accuracy_usable", "audio_alone", "video_alone", "swapped", "similarity"),
    "hits": ("hits_silent", "hits_swapped", "hits_turned", "hits_centre", "hits_energy"),
}
"""Main metric of each evaluation, and its controls."""


def with_sound(labels: Iterable[Row]) -> list[Row]:
    """Return the labels of recordings with spatial sound, usable or not."""
    return [row for row in labels if row["group"] == "foa-360"]


def as_input(folder: Path, label: Row, seconds: int = SECONDS) -> InputVideo:
    """Return a recording as an input of a build: a piece of the video that it was cut from.

    A name ``VIDEO_SECOND`` says where the piece starts.

    Args:
        folder: Has ``clips/``.
        label: Its label.
        seconds: Length of its clip, from the start of the piece.
    """
    path = folder / "clips" / label["file"]
    group = label["recording_group"]
    second = path.stem.removeprefix(f"{group}_")
    start_s = int(second) if second.isdecimal() else 0
    return InputVideo(
        video_id=group,
        video=path,
        start_s=start_s,
        segments=(TimeRange(start_s, seconds),),
        name=path.name,
        audio_layout="fuma" if label["sound"] == FUMA else None,
    )


def build_recordings(
    folder: Path, out: Path, form: ClipFormat, seconds: int = SECONDS
) -> dict[str, Row]:
    """Build a dataset whose split test has all recordings with sound.

    Args:
        folder: Has ``labels.csv`` and ``clips/``.
        out: The dataset; one that is complete is not built again.
        form: Format of its clips, which must be that of the training.
        seconds: Length of its clips, one of each recording.

    Returns:
        The labels by clip.
    """
    labels = with_sound(read_labels(folder))
    inputs = [as_input(folder, label, seconds) for label in labels]
    found = FoundInputs(tuple(sorted(inputs, key=lambda each: each.file_id)), (), 0)
    build_shards(found, out, BuildOptions(test_fraction=1.0, form=form))
    return {each.key: label for each, label in zip(inputs, labels, strict=True)}


def write_directions(labels: Mapping[str, Row], path: Path) -> int:
    """Write the directions of labelled sources that do not move; return how many there are.

    Args:
        labels: Labels by clip.
        path: The table for ``avsa eval localization --directions``.
    """
    sources = {key: source_of(label) for key, label in labels.items()}
    still = {key: each for key, each in sources.items() if each and not each.moves}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("key", "azimuth_deg", "elevation_deg"))
        rows.writerows(
            (key, each.azimuths_deg[0], each.elevation_deg) for key, each in still.items()
        )
    return len(still)


def evaluations(
    subject: Evaluated, directions: Path, draws: int, settings: Mapping[str, str]
) -> list[EvaluationConfig]:
    """Return AVSA-Bin by views, and localization if the model compares embeddings.

    Args:
        subject: The model.
        directions: From `write_directions`.
        draws: Draws of each recording in AVSA-Bin.
        settings: Further options of AVSA-Bin as texts.
    """
    found = [
        configure("avsa-bin", {"views": views, "test_draws": draws}, settings) for views in VIEWS
    ]
    if Offer(subject=subject).compares:
        found.append(configure("localization", {"directions": directions, "pictures": 0}, {}))
    return found


def head_settings(size: Size) -> dict[str, str]:
    """Return how the grid trains the heads of AVSA-Bin, as texts; draws of the test are ours."""
    given = {key.removeprefix("avsa-bin."): str(value) for key, value in size.evaluation.items()
             if key.startswith("avsa-bin.")}  # fmt: skip
    return {key: text for key, text in given.items() if key != "test_draws"}


def evaluate_all(
    run: Path,
    scenes: Path,
    recordings: Path,
    directions: Path,
    out: Path,
    world: World,
    *,
    draws: int = DRAWS,
    settings: Mapping[str, str] | None = None,
) -> list[Record]:
    """Evaluate a run on the recordings; records that exist are not made again.

    Args:
        run: Folder of the run.
        scenes: Dataset on whose split train heads are trained.
        recordings: From `build_recordings`.
        directions: From `write_directions`.
        out: Folder of the records of all runs; names of records depend on the weights.
        world: This process.
        draws: Draws of each recording in AVSA-Bin.
        settings: Further options of AVSA-Bin as texts.
    """
    subject = open_subject(str(run), str(world.device))
    records = []
    for config in evaluations(subject, directions, draws, settings or {}):
        data = (scenes, recordings) if config.takes_test_data else (recordings, None)
        record, _ = evaluate(config, subject, data[0], out, world, data[1])
        records.append(record)
    return records


def without(record: Record, videos: Collection[str]) -> Metric:
    """Return the accuracy of AVSA-Bin without some videos."""
    sums = np.array([
        (value * items, items)
        for video, (value, items) in video_values(record, "accuracy").items()
        if video not in videos
    ])  # fmt: skip
    hits, items = sums.sum(0)
    low, high = bootstrap_interval(sums, lambda s: s[:, 0] / s[:, 1]) or (None, None)
    return Metric(value=float(hits / items), low=low, high=high, chance=0.5)


def as_row(run: Path, record: Record, unusable: Collection[str]) -> dict[str, Any]:
    """Return a record as JSON values, without the addresses of its data.

    Args:
        run: The run as it was given.
        record: The record.
        unusable: Videos whose sound field is labelled unusable.
    """
    subject, metrics = record.subject, dict(record.result.metrics)
    if record.kind == "avsa-bin":
        metrics["accuracy_usable"] = without(record, unusable)
    return {
        "run": str(run),
        "seed": subject.recipe.get("seed"),
        "stage": subject.stage,
        "step": subject.step,
        "evaluation": record.kind,
        "views": record.settings.get("views"),
        "data": {k: v for k, v in record.data.items() if k not in (PATH, TEST_PATH)},
        "metrics": {name: asdict(metric) for name, metric in metrics.items()},
        "notes": list(record.result.notes),
    }


def markdown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table for each evaluation: the number with its interval, and its controls."""
    lines: list[str] = []
    for main, controls in CONTROLS.items():
        shown = [row for row in rows if main in row["metrics"]]
        if not shown:
            continue
        names = [name.removeprefix(f"{main}_").replace("_", " ") for name in controls]
        heading = ("run", "evaluation", main, "95 % interval", *names, "chance")
        lines += ["", _line(heading), _line(["---"] * len(heading))]
        for row in shown:
            found = {name: Metric(**each) for name, each in row["metrics"].items()}
            value, interval, chance = found[main].texts()
            beside = [found[name].texts()[0] if name in found else "–" for name in controls]
            title = " ".join(filter(None, [row["evaluation"], _views(row["views"])]))
            lines.append(_line((Path(row["run"]).name, title, value, interval, *beside, chance)))
    return lines[1:]


def _views(views: int | None) -> str:
    return "" if views is None else f"{views} view{'s' * (views > 1)}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run the tool."""
    options = _parse()
    work = options.work or options.out.with_suffix("")
    with closing(open_clips(options.data, "train")) as clips:
        form = clips_form(clips.info)
    labels = build_recordings(options.real_bench, work / "recordings", form)
    directions = work / "directions.csv"
    known = write_directions(labels, directions)
    videos = len({label["recording_group"] for label in labels.values()})
    print(f"{len(labels)} clips of {videos} recordings, {known} with a direction", flush=True)
    unusable = {row["recording_group"] for row in labels.values() if row["sound"] == UNUSABLE}
    settings = head_settings(SIZES[options.size])
    settings |= dict(each.split("=", 1) for each in options.set)
    rows = []
    with joined_world(options.device) as world:
        for run in options.runs:
            records = evaluate_all(
                run, options.data, work / "recordings", directions, work, world,
                draws=options.draws, settings=settings,
            )  # fmt: skip
            rows += [as_row(run, record, unusable) for record in records]
            write_json(options.out, {"clips": len(labels), "recordings": videos, "rows": rows})
    print(*markdown(rows), sep="\n")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument("--data", type=Path, required=True, help="dataset of the scenes")
    parser.add_argument("--real-bench", type=Path, required=True, help="labelled recordings")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the numbers")
    parser.add_argument("--work", type=Path, help="folder of the dataset (default: beside --out)")
    parser.add_argument("--size", choices=SIZES, default="full", help="size of the grid")
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws of each recording")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="set an option of AVSA-Bin; repeatable")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
