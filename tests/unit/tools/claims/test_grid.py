"""The whole grid, from scenes to the report, at the smallest size."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from claims.__main__ import PARTS, run_part
from claims.jobs import Job, Runner
from claims.parts import Grid
from claims.size import TINY
from claims.variants import BY_NAME


def jobs_of(grid):
    parts = (grid.scene_jobs, grid.shard_jobs, grid.label_jobs, grid.training_jobs,
             grid.evaluation_jobs)  # fmt: skip
    return [job for part in parts for job in part()]


def test_jobs_have_names_of_their_own(tmp_path):
    names = [job.name for job in jobs_of(Grid(tmp_path, TINY))]
    assert len(set(names)) == len(names)


def test_a_run_that_has_begun_is_resumed(tmp_path):
    grid = Grid(tmp_path, TINY, [BY_NAME["avsa"]], (0,))
    (job,) = grid.training_jobs()
    assert "--resume" not in job.arguments()
    job.partial.parent.mkdir(parents=True)
    job.partial.touch()
    assert job.arguments() == [*job.command, "--resume"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_everything_runs_and_is_not_repeated(tmp_path):
    size = replace(TINY, skip=("avc-bin", "avsa-bin views=1", "probe", "segmentation"))
    grid = Grid(tmp_path, size, [BY_NAME["avsa"], BY_NAME["avc"]], (0,))
    lines = []
    runner = Runner(tmp_path, 2, say=lines.append)
    for part in PARTS:
        run_part(part, grid, runner, tmp_path / "report")
    with (tmp_path / "report" / "claims.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["variant"] for row in rows} == {"avsa", "avc"}
    assert {row["evaluation"] for row in rows} == {"avsa-bin", "localization", "retrieval"}
    text = (tmp_path / "report" / "claims.md").read_text()
    assert "avsa beats AVC and AVTS on AVSA-Bin" in text and "| avsa - avc |" in text
    for name in ("claims-curves.csv", "claims-curves.png"):
        assert (tmp_path / "report" / name).stat().st_size > 0
    assert (tmp_path / "report.html").exists()

    def refuse(job: Job, _):
        raise AssertionError(f"{job.name} is repeated")

    again = Runner(tmp_path, 2, refuse, say=lines.append)
    for part in PARTS[:-1]:
        run_part(part, grid, again, tmp_path / "report")
