"""`avsa compare`: differences of runs by their records."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.errors import user_error
from helpers.evaluation_records import make_record, make_run
from helpers.scene_runs import invoke

from avsa.cli import cli
from avsa.evals.bootstrap import video_table
from avsa.evals.comparison.runs import compare

VIDEOS = [f"v{number}" for number in range(20)]


@pytest.fixture
def run(tmp_path):
    """Return a function that makes a run whose accuracy is a fraction of the videos."""

    def make(folder, rate, seed=0, kind="avsa-bin", settings=None, **more):
        folder = tmp_path / folder
        if not folder.exists():
            make_run(folder, "avsa", seed)
        right = np.arange(len(VIDEOS)) < rate * len(VIDEOS)
        tables = video_table({"accuracy": (right.astype(float), VIDEOS)})
        make_record(folder, kind, settings or {}, {"accuracy": rate}, seed=seed,
                    **{"tables": tables, **more})  # fmt: skip
        return folder

    return make


def test_the_difference_is_the_first_minus_the_second(run):
    (found,) = compare([run("a", 0.9)], [run("b", 0.4)])
    assert (found.evaluation, found.metric) == ("avsa-bin", "accuracy")
    assert found.difference.value == pytest.approx(0.5) and found.difference.low > 0


def test_seeds_are_paired_in_order(run):
    first = [run("a0", 0.9), run("a1", 0.8, 1)]
    second = [run("b0", 0.4), run("b1", 0.5, 1)]
    assert compare(first, second)[0].difference.by_seed == pytest.approx((0.5, 0.3))
    with user_error("conflict", "--with"):
        compare(first, second[:1])


def test_only_equal_options_and_data_are_compared(run):
    run("a", 0.9, settings={"views": 1})
    run("a", 0.8)
    run("b", 0.5, settings={"views": 1})
    other = {"path": "data/yt360", "test": "3 clips (cc)"}
    found = compare([run("a", 0.7, kind="avc-bin")], [run("b", 0.5, kind="avc-bin", data=other)])
    assert [each.evaluation for each in found] == ["avsa-bin views=1"]


def test_the_newest_weights_of_a_run_count(run, tmp_path):
    older = run("a", 0.3, name="older")
    text = (older / "eval" / "older.json").read_text().replace('"step": 1000', '"step": 10')
    (older / "eval" / "older.json").write_text(text)
    (found,) = compare([run("a", 0.9)], [run("b", 0.5)])
    assert found.difference.value == pytest.approx(0.4)


@pytest.mark.parametrize("items", ["many", None, 0, -1])
def test_rows_without_a_number_of_items_are_left_out(run, items):
    rows = [{"video": video, "items": 1, "accuracy": 1.0} for video in VIDEOS]
    tables = {"videos": (*rows, {"video": "odd", "items": items, "accuracy": 1.0})}
    (found,) = compare([run("a", 0.9, tables=tables)], [run("b", 0.5, tables=tables)])
    assert found.difference.videos == len(VIDEOS)


def test_runs_without_common_values_of_videos_are_refused(run):
    with user_error("empty"):
        compare([run("a", 0.9)], [run("b", 0.5, tables={})])


def test_the_command_prints_points(run):
    output = invoke(cli, "compare", run("a", 0.9), "--with", run("b", 0.4))
    assert "avsa-bin\n" in output and "+50.00 points" in output and "p" in output
