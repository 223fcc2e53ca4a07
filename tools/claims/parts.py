"""The parts of the grid as jobs: scenes, shards, labels, training, evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsa.training.run_folder import CONFIG_FILE
from claims.jobs import Job
from claims.size import Size
from claims.variants import BY_NAME, INTENSITY, ON_RECORDINGS, PLAIN, VARIANTS, Variant

PRESET, SCENE_SEED = "claims", 1
STATISTICS = (PLAIN, INTENSITY)
"""Variants with different spectrograms, whose statistics are measured before training."""


@dataclass(frozen=True)
class Grid:
    """Everything that is made, and where.

    Attributes:
        out: Folder of everything.
        size: The size.
        variants: The variants to train.
        seeds: Seeds of training.
        real_bench: Folder of labelled recordings; None to leave out their part.
    """

    out: Path
    size: Size
    variants: Sequence[Variant] = VARIANTS
    seeds: Sequence[int] = (0, 1)
    real_bench: Path | None = None

    @property
    def scenes(self) -> Path:
        """Folder of the folders of scenes."""
        return self.out / "scenes"

    @property
    def dataset(self) -> Path:
        """Folder of the dataset."""
        return self.out / "dataset"

    @property
    def cues(self) -> Path:
        """File of what cues alone reach."""
        return self.out / "cues.json"

    @property
    def real(self) -> Path:
        """File of what runs reach on real recordings."""
        return self.out / "real.json"

    def run(self, variant: Variant, seed: int) -> Path:
        """Return the folder of a run."""
        return self.out / "runs" / f"{variant.name}-{seed}"

    def runs(self) -> list[tuple[Variant, int]]:
        """Return all runs; all variants of the first seed come first."""
        return [(variant, seed) for seed in self.seeds for variant in self.variants]

    def scene_jobs(self) -> list[Job]:
        """Return the jobs that render scenes, from disjoint pools for training and for the test."""
        size = self.size
        numbers = {"train": size.train_scenes, "test": size.test_scenes}
        return [
            Job(
                f"scenes-{pool}",
                _command(
                    "yt360", "scenes", self.scenes / pool, "--videos", videos, "--seed", SCENE_SEED,
                    "--preset", PRESET, "--set", f"pool={pool}", "--duration-s", size.duration_s,
                    "--size", f"{2 * size.rows}x{size.rows}",
                ),
            )
            for pool, videos in numbers.items()
        ]  # fmt: skip

    def shard_jobs(self) -> list[Job]:
        """Return the jobs that build the dataset, and then measure its audio statistics."""
        size = self.size
        build = _command(
            "yt360", "build-shards", self.scenes / "train", "--test", self.scenes / "test", "--out",
            self.dataset, "--clip-s", size.duration_s, "--height", size.rows,
        )  # fmt: skip
        changes = [word for change in size.recipe for word in ("--set", change)]
        measure = [
            Job(
                f"statistics-{name}",
                _command("avsa", "stats", self.dataset, "--recipe", BY_NAME[name].recipe, *changes),
            )
            for name in STATISTICS
        ]
        return [Job("shards", build), *measure]

    def label_jobs(self) -> list[Job]:
        """Return the jobs that label the clips by the truth of the scenes."""
        command = _command(
            "yt360", "pseudolabel", self.dataset, "--segmenter", "truth", "--scenes", self.scenes,
            "--views", "panorama", "--height", self.size.rows, "--workers", 2,
        )  # fmt: skip
        return [Job("labels", command)]

    def cue_jobs(self) -> list[Job]:
        """Return the job that measures what cues alone reach, without a model."""
        command = _command(
            "python", "-m", "claims.cues", self.dataset, "--scenes", self.scenes, "--recipe",
            BY_NAME[PLAIN].recipe, "--draws", self.size.cue_draws, "--out", self.cues,
        )  # fmt: skip
        return [Job("cues", command)]

    def training_jobs(self) -> list[Job]:
        """Return the jobs that train; one that was interrupted is resumed."""
        jobs = []
        for variant, seed in self.runs():
            run = self.run(variant, seed)
            changes = variant.overrides(self.size, seed)
            command = _command(
                "avsa", "train", "--data", self.dataset, "--recipe", variant.recipe, "--out", run,
                *(word for change in changes for word in ("--set", change)),
            )  # fmt: skip
            jobs.append(Job(f"train/{run.name}", command, ("--resume",), run / CONFIG_FILE))
        return jobs

    def evaluation_jobs(self) -> list[Job]:
        """Return the jobs that evaluate; each continues where it was interrupted."""
        options = [f"--set={name}={value}" for name, value in self.size.evaluation.items()]
        jobs = []
        for variant, seed in self.runs():
            run = self.run(variant, seed)
            command = _command(
                "avsa", "eval", "all", run, "--data", self.dataset, "--scenes", self.scenes,
                *options, *(f"--skip={name}" for name in self.size.skip),
            )  # fmt: skip
            jobs.append(Job(f"evaluate/{run.name}", command))
        return jobs

    def real_jobs(self) -> list[Job]:
        """Return the job that tests runs on real recordings; none without recordings."""
        runs = [self.run(*each) for each in self.runs() if each[0].name in ON_RECORDINGS]
        if self.real_bench is None or not runs:
            return []
        command = _command(
            "python", "-m", "claims.real", *runs, "--data", self.dataset, "--real-bench",
            self.real_bench, "--out", self.real, "--size", self.size.name,
        )  # fmt: skip
        return [Job("real", command)]

    def report_jobs(self, runs: Sequence[tuple[Variant, int]]) -> list[Job]:
        """Return the job that writes the report of some runs."""
        folders = [self.run(*each) for each in runs]
        command = _command(
            "avsa", "report", *folders, "--out", self.out / "report.html", "--markdown",
            self.out / "report.md",
        )  # fmt: skip
        return [Job("report", command)]


def _command(*words: object) -> tuple[str, ...]:
    return tuple(map(str, words))
