"""Show on synthetic scenes that spatial alignment is learned, with the recipe `small`.

    PYTHONPATH=tools python -m proof --out proof

Renders scenes, builds a dataset, trains every variant with every seed (as many at a time as there
are cores, one thread each), and draws the curves. Finished steps are skipped, so a
stopped command can be repeated.

The main metric is the view accuracy on held-out scenes: the fraction of views whose audio is chosen
among those of all views of the same clip, or whose video is chosen for the audio (chance: 25 %).
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from avsa.training.metrics_log import read_log

SCENES, SCENE_SEED, TEST_FRACTION, ROWS = 2300, 1, 0.13, 160
SCORE = "val/view_accuracy"
CHANCE = 0.25
MOST_MINUTES = 25  # of training, without judging and starting


@dataclass(frozen=True)
class Variant:
    """A training variant, and the bounds of its final view accuracy.

    Attributes:
        name: Name in tables and files.
        changes: Overrides of the recipe.
        least: Lower bound.
        most: Upper bound.
        color: Colour of its curves.
    """

    name: str
    changes: tuple[str, ...]
    least: float
    most: float
    color: str


VARIANTS = (
    Variant("log-mels", (), 0.60, 1.0, "tab:blue"),
    Variant("intensity", ("audio.channels=ambix+intensity",), 0.75, 1.0, "tab:green"),
    Variant(
        "control",
        ("audio.channels=ambix+intensity", "views.audio_rotation=random"),
        0.0,
        0.30,
        "gray",
    ),
)


def main() -> int:
    """Run the tool; 0 when every run is within its bounds."""
    options = _parse()
    dataset = _make_dataset(options.out)
    runs = [(variant, seed) for seed in options.seeds for variant in VARIANTS]
    with ThreadPoolExecutor(options.at_a_time) as pool:
        list(pool.map(lambda run: _train(options.out, dataset, *run), runs))
    curves = {(v, s): _curve(_folder(options.out, v, s)) for v, s in runs}
    _write_csv(options.report / "small-proof.csv", curves)
    _draw(options.report / "small-proof.png", curves)
    return _print_table(options.out, curves)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="scenes, dataset and runs go here")
    parser.add_argument("--report", type=Path, help="folder of figure and CSV; by default --out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--at-a-time", type=int, default=os.cpu_count(), help="runs in parallel")
    options = parser.parse_args()
    options.report = options.report or options.out
    return options


def _make_dataset(out: Path) -> Path:
    media, dataset = out / "media", out / "dataset"
    _call(
        "yt360", "scenes", media, "--videos", SCENES, "--seed", SCENE_SEED,
        "--size", f"{2 * ROWS}x{ROWS}",
    )  # fmt: skip
    _call(
        "yt360", "build-shards", media, "--out", dataset, "--height", ROWS,
        "--test-fraction", TEST_FRACTION,
    )  # fmt: skip
    # Before the runs start, which would all measure the same.
    _call("avsa", "stats", dataset, "--recipe", "small")
    return dataset


def _train(out: Path, dataset: Path, variant: Variant, seed: int) -> None:
    run = _folder(out, variant, seed)
    options: list[object] = ["--data", dataset, "--recipe", "small", "--out", run]
    for change in (f"seed={seed}", "data.num_workers=1", *variant.changes):
        options += ["--set", change]
    if run.exists():
        options.append("--resume")  # refused when the recipe has changed since
    environment = {"OMP_NUM_THREADS": "1"}
    _call("avsa", "train", *options, environment=environment, log=run.with_suffix(".txt"))


def _folder(out: Path, variant: Variant, seed: int) -> Path:
    return out / "runs" / f"{variant.name}-{seed}"


def _call(
    *command: object, environment: dict[str, str] | None = None, log: Path | None = None
) -> None:
    print(f"$ {' '.join(map(str, command))}\n", end="", flush=True)
    output = None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("a")
    program, *arguments = map(str, command)
    finished = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        check=False, env={**os.environ, **(environment or {})}, stdout=output, stderr=output,
    )  # fmt: skip
    if finished.returncode:
        sys.exit(f"{program} {arguments[0]} failed" + (f", see {log}" if log else ""))


def _curve(run: Path) -> list[tuple[int, float]]:
    return [(record["step"], record[SCORE]) for record in read_log(run) if SCORE in record]


def _write_csv(path: Path, curves: dict[tuple[Variant, int], list[tuple[int, float]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["variant", "seed", "step", SCORE])
        for (variant, seed), curve in curves.items():
            writer.writerows([variant.name, seed, step, f"{value:.4f}"] for step, value in curve)


def _draw(path: Path, curves: dict[tuple[Variant, int], list[tuple[int, float]]]) -> None:
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for number, ((variant, _), curve) in enumerate(curves.items()):
        label = variant.name if number < len(VARIANTS) else None
        steps, values = zip(*curve, strict=True)
        axes.plot(steps, [100 * value for value in values], color=variant.color, label=label)
    axes.axhline(100 * CHANCE, color="black", lw=0.8, ls=":", label="chance")
    axes.set(xlabel="step", ylabel="view accuracy, held-out scenes (%)", ylim=(0, 100))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Software": None})


def _print_table(out: Path, curves: dict[tuple[Variant, int], list[tuple[int, float]]]) -> int:
    print("\n| variant | seed | view accuracy, held out | bound | minutes | step |")
    print("|---|---|---|---|---|---|")
    good = True
    for (variant, seed), curve in curves.items():
        records = read_log(_folder(out, variant, seed))
        minutes = sum(record["step_s"] for record in records) / 60
        value = curve[-1][1]
        within = variant.least < value <= variant.most and minutes < MOST_MINUTES
        good &= within
        bound = f"over {variant.least:.0%}" if variant.least else f"under {variant.most:.0%}"
        step_s = statistics.median(record["step_s"] for record in records)
        print(
            f"| {variant.name} | {seed} | {value:.1%} | {bound}{'' if within else ', missed'} "
            f"| {minutes:.1f} | {step_s:.2f} s |"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
