"""Heads that are trained on one dataset and tested on another."""

from __future__ import annotations

import shlex

import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.evaluation_records import make_record
from helpers.renamed_videos import renamed_test_split
from helpers.scene_runs import invoke

from avsa.cli import cli
from avsa.evals.binary.avsa_bin import AvsaBinConfig
from avsa.evals.config_options import configure
from avsa.evals.report.contents import Missing, Value
from avsa.evals.report.details import dataset_table
from avsa.evals.report.layout import TABLE_2
from avsa.evals.report.runs import read_runs
from avsa.evals.report.tables import paper_table
from avsa.evals.result import Subject, records_of
from avsa.evals.run import evaluate, record_name
from avsa.evals.subject import open_subject
from avsa.training.distributed import World
from yt360.errors import UserError

QUICK = ("--views", 1, "--set", "schedule.epochs=1", "--set", "test_draws=2", "--set",
         "schedule.lr=0.1")  # fmt: skip


@pytest.fixture(scope="module")
def other(scene_dataset, tmp_path_factory):
    return renamed_test_split(scene_dataset.dataset, tmp_path_factory.mktemp("other") / "other")


def test_the_record_has_the_training_data_of_one_dataset_and_the_test_data_of_the_other(
    own_run, other
):
    words = ("eval", "avsa-bin", own_run.run, "--data", own_run.dataset, *QUICK)
    invoke(cli, *words)
    invoke(cli, *words, "--test-data", other)
    (at_home, first), (abroad, second) = sorted(
        records_of(own_run.run), key=lambda found: "test path" in found[1].data
    )
    assert at_home.name != abroad.name and "test-data" in abroad.name
    assert first.data["train"] == second.data["train"]
    assert first.data["test"] != second.data["test"]
    assert (second.data["path"], second.data["test path"]) == (str(own_run.dataset), str(other))
    # The same weights of the heads, and the same clips under other names.
    assert second.result.tables["epochs"] == first.result.tables["epochs"]
    assert second.result.metrics["accuracy"].value == first.result.metrics["accuracy"].value
    assert any(other.name in note for note in second.result.notes)

    abroad.unlink()
    invoke(cli, *shlex.split(second.command)[1:])
    assert abroad.exists()


def test_the_name_of_a_record_depends_on_both_datasets_and_not_on_their_places():
    subject, data = Subject(name="/run"), {"path": "/a", "train": "1", "test": "2"}
    elsewhere = {**data, "test path": "/b"}
    name = record_name(AvsaBinConfig(), subject, elsewhere)
    assert record_name(AvsaBinConfig(), subject, {**elsewhere, "test path": "/c"}) == name
    for changed in (data, {**elsewhere, "train": "3"}, {**elsewhere, "test": "3"}):
        assert record_name(AvsaBinConfig(), subject, changed) != name


def test_other_evaluations_cannot_be_tested_on_another_dataset(own_run, other):
    subject = open_subject(str(own_run.run), "cpu")
    with user_error("unsupported", "--test-data"):
        evaluate(configure("retrieval", {}, {}), subject, own_run.dataset, own_run.run,
                 World(0, 1, torch.device("cpu")), other)  # fmt: skip


def error_of(*words) -> UserError:
    done = CliRunner().invoke(cli, [str(word) for word in words])
    assert isinstance(done.exception, UserError), done.output
    assert "\n" not in str(done.exception)
    return done.exception


def test_a_test_on_videos_of_the_training_is_refused(own_run, other, tmp_path):
    swapped = renamed_test_split(own_run.dataset, tmp_path / "same")
    train, test = swapped / "train", swapped / "test"
    train.rename(swapped / "x"), test.rename(train), (swapped / "x").rename(test)
    info = (swapped / "dataset.json").read_text()
    info = info.replace('"train"', '"x"').replace('"test"', '"train"').replace('"x"', '"test"')
    (swapped / "dataset.json").write_text(info)
    words = ("eval", "avsa-bin", own_run.run, "--data", swapped, *QUICK)
    assert error_of(*words, "--test-data", other).code == "conflict"
    found = error_of(*words, "--test-data", swapped)
    assert (found.code, found.key) == ("empty", "test") and "--test-fraction 1" in str(found)


def test_a_test_dataset_that_is_none_is_named(own_run, tmp_path):
    words = ("eval", "avsa-bin", own_run.run, "--data", own_run.dataset, *QUICK)
    assert str(tmp_path) in str(error_of(*words, "--test-data", tmp_path))
    assert error_of("eval", "avsa-bin", own_run.run, "--test-data", tmp_path).key == "--data"


def test_the_report_keeps_tests_on_another_dataset_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, home = tmp_path / "run", {"path": "data/scenes", "train": "9 (a)", "test": "3 (b)"}
    away = {**home, "test": "4 (c)", "test path": "data/recordings"}
    for seed in (0, 1):
        for data, accuracy in ((home, 0.9), (away, 0.6)):
            make_record(run, "avsa-bin", {"views": 4, "seed": seed}, {"accuracy": accuracy},
                        data=data, name=f"{seed}{accuracy}")  # fmt: skip
    runs = read_runs([run])
    table, _ = paper_table(TABLE_2, runs)
    (lines,) = (
        row.lines for row in table.rows if any("tested on" in line.facts for line in row.lines)
    )
    texts = {line.facts: [c.text for c in line.cells if isinstance(c, Value)] for line in lines}
    assert len(texts) == 2
    assert all(found == ["60.00" if "recordings" in facts else "90.00"]
               for facts, found in texts.items())  # fmt: skip
    fills = {fill.anchor: fill.commands for fill in table.fills}
    for line in lines:
        missing = [cell for cell in line.cells if isinstance(cell, Missing)]
        for command in (command for cell in missing for command in fills[cell.anchor]):
            assert ("--test-data data/recordings" in command) == ("tested on" in line.facts)

    facts = {each.title: dict(each.facts) for each in dataset_table(runs)[1]}
    assert facts["data/recordings"]["test"] == "4 (c)"
    assert facts["data/scenes"]["test"] == "3 (b)" and facts["data/scenes"]["train"] == "9 (a)"
