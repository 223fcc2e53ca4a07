"""The tables of the report: a record lands in its cell, and a missing cell names its command."""

from __future__ import annotations

import json
import shlex
from itertools import product
from pathlib import Path
from statistics import stdev

import click
import pytest
from helpers.errors import user_error
from helpers.evaluation_records import make_record, make_run

from avsa.cli import cli
from avsa.commands.eval import COMMANDS
from avsa.config.recipe import load_config, recipe_names
from avsa.evals.report.approach import approach_of_recipe
from avsa.evals.report.contents import Line, Missing, Table, Value
from avsa.evals.report.layout import PAPER_TABLES, TABLE_2, TABLE_3, TABLE_4, Column, PaperTable
from avsa.evals.report.runs import read_runs
from avsa.evals.report.tables import paper_table
from avsa.evals.report.write import build_report
from avsa.evals.result import Metric
from yt360.config import to_mapping


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table_of(layout: PaperTable, *runs: Path) -> Table:
    return paper_table(layout, read_runs(runs))[0]


def lines_of(layout: PaperTable, label: str, *runs: Path) -> tuple[Line, ...]:
    (row,) = (each for each in table_of(layout, *runs).rows if each.label == label)
    return row.lines


def values_of(table: Table) -> dict[tuple[str, int], Value]:
    """Return the numbers of ours by row and column; there is one line a row."""
    return {
        (row.label, number): cell
        for row in table.rows
        for line in row.lines
        for number, cell in enumerate(line.cells)
        if isinstance(cell, Value)
    }


def columns_of(layout: PaperTable, column: Column) -> list[int]:
    """Return the columns that the records of a column fill: those of its evaluation and options."""
    return [
        number
        for number, other in enumerate(layout.columns)
        if (other.kind, other.options) == (column.kind, column.options)
    ]


ROWS = [(layout, label) for layout in PAPER_TABLES for label in layout.paper]


@pytest.mark.parametrize(("layout", "label"), ROWS, ids=lambda value: getattr(value, "name", value))
def test_a_record_lands_in_its_row_and_columns(tmp_path, layout, label):
    source = layout.sources[label]
    for number, column in enumerate(layout.columns):
        run, alike = tmp_path / str(number), columns_of(layout, column)
        metrics = {layout.columns[each].metric: 0.5 + each / 100 for each in alike}
        make_record(run, column.kind, {**column.options, **source.options}, metrics,
                    recipe=source.word or source.recipe)  # fmt: skip
        found = values_of(table_of(layout, run))
        texts = {place: value.text for place, value in found.items()}
        assert texts == {(label, each): f"{50 + each}.00" for each in alike}
        assert all(value.links == ("record-1",) for value in found.values())


@pytest.mark.parametrize(
    ("recipe", "settings", "label"),
    [
        ("avsa", {"translated": False}, "AVSA transf., not translated"),
        ("avsa-mlp", {"translated": True}, "AVSA mlp"),
        ("small", {"translated": True}, "AVSA transf. no curriculum"),
        ("avsa-regression", {}, "Regression no transf."),
        ("avc-4views", {}, "AVC no transf."),
        ("avsa-published", {"translated": True}, "AVSA transf."),
    ],
)
def test_other_recipes_have_rows_of_their_own(folder, recipe, settings, label):
    run = folder / "run"
    make_record(run, "avc-bin", {"views": 4, **settings}, {"accuracy": 0.5}, recipe=recipe)
    assert list(values_of(table_of(TABLE_2, run))) == [(label, 1)]


@pytest.mark.parametrize(
    ("recipe", "settings", "label"),
    [
        ("small", {}, "AVSA no curriculum"),
        ("avsa-no-transformer", {}, "AVSA no transf."),
        ("avc-transformer", {}, "AVC transf."),
        ("scratch", {"end_to_end": True}, "End to end"),
        ("avc", {"end_to_end": True}, "End to end, AVC"),
    ],
)
def test_segmentation_has_rows_for_other_recipes(folder, recipe, settings, label):
    run = folder / "run"
    make_record(run, "segmentation", {"inputs": "video", **settings}, {"image_miou": 0.5},
                recipe=recipe)  # fmt: skip
    assert (label, 1) in values_of(table_of(TABLE_3, run))


def test_weights_of_an_earlier_stage_have_the_task_of_this_stage():
    recipe = to_mapping(load_config("avsa"))
    assert approach_of_recipe(recipe).label() == "AVSA"
    assert approach_of_recipe(recipe, "avc").label() == "AVC"


def test_a_curriculum_has_more_than_one_task():
    one, other = ({"task": {"kind": kind}} for kind in ("avsa", "avc"))
    kinds = [approach_of_recipe({"stages": {"first": first, "second": one}}).curriculum
             for first in (one, other)]  # fmt: skip
    assert kinds == [False, True]


@pytest.mark.parametrize("recipe", [{}, {"stages": 3}, {"stages": {"a": None}}, {"stages": {}}])
def test_a_strange_recipe_has_some_row(recipe):
    assert approach_of_recipe(recipe).label()


def test_every_recipe_has_a_row():
    labels = [approach_of_recipe(to_mapping(load_config(name))).label() for name in recipe_names()]
    assert all(labels) and {"AVC", "AVTS", "AVSA", "AVSA mlp", "AVSA no curriculum"} <= set(labels)


def test_seeds_are_averaged_and_controls_stand_beside(folder):
    accuracies = [0.60, 0.64, 0.71]
    for seed, accuracy in enumerate(accuracies):
        make_record(folder / f"run{seed}", "avsa-bin", {"views": 4, "translated": True},
                    {"accuracy": Metric(value=accuracy, low=0.5, high=0.8, chance=0.5),
                     "audio_alone": 0.5 + seed / 100}, seed=seed)  # fmt: skip
    found = values_of(table_of(TABLE_2, *(folder / f"run{seed}" for seed in range(3))))
    value = found["AVSA transf.", 3]
    assert value.text == f"{100 * sum(accuracies) / 3:.2f}"
    assert value.spread == f"± {100 * stdev(accuracies):.2f}"
    assert value.links == ("record-1", "record-2", "record-3")
    assert value.notes == ("chance 50.00", "audio alone 51.00")
    alone = values_of(table_of(TABLE_2, folder / "run0"))["AVSA transf.", 3]
    assert alone.spread == "" and "50.00 to 80.00" in alone.notes


def test_seeds_of_the_evaluation_are_averaged_too(folder):
    for seed, accuracy in enumerate((0.5, 0.7)):
        settings = {"views": 4, "translated": True, "seed": seed}
        make_record(folder / "run", "avc-bin", settings, {"accuracy": accuracy})
    found = values_of(table_of(TABLE_2, folder / "run"))["AVSA transf.", 1]
    assert (found.text, found.links) == ("60.00", ("record-1", "record-2"))


@pytest.mark.parametrize(
    "other",
    [
        {"recipe": "avsa-published"},
        {"data": {"path": "other", "test": "another"}},
        {"settings": {"protocol": "published"}},
        {"settings": {"schedule": {"epochs": 1}}},
    ],
)
def test_what_differs_by_more_than_seeds_is_not_averaged(folder, other):
    common = {"views": 4, "translated": True}
    make_record(folder / "a", "avc-bin", common, {"accuracy": 0.5})
    given = {"settings": {}, **other}
    settings = {**common, **given.pop("settings")}
    make_record(folder / "b", "avc-bin", settings, {"accuracy": 0.7}, seed=1, **given)
    lines = lines_of(TABLE_2, "AVSA transf.", folder / "a", folder / "b")
    assert [line.cells[1].text for line in lines] == ["50.00", "70.00"]
    assert len({line.name for line in lines}) == 2


def test_runs_of_versions_without_the_weights_of_datasets_are_averaged_with_later_ones(folder):
    settings = {"views": 4, "translated": True}
    old, _ = (
        make_record(folder / f"run{seed}", "avc-bin", settings, {"accuracy": accuracy}, seed=seed)
        for seed, accuracy in enumerate((0.5, 0.7))
    )
    content = json.loads(old.read_text())
    del content["subject"]["recipe"]["sampling"]["weights"]
    old.write_text(json.dumps(content))
    (line,) = lines_of(TABLE_2, "AVSA transf.", folder / "run0", folder / "run1")
    assert line.cells[1].text == "60.00"


def test_a_copied_run_counts_once(folder):
    for name in ("a", "b"):
        make_record(folder / name, "avc-bin", {"views": 4, "translated": True}, {"accuracy": 0.5})
    found = values_of(table_of(TABLE_2, folder / "a", folder / "b"))
    assert found["AVSA transf.", 1].links == ("record-1",)


def test_no_record_is_dropped(folder):
    run = folder / "run"
    made = [("avc-bin", {"views": 2}), ("localization", {}), ("of-a-plugin", {"x": 1}), ("x<y", {})]
    for number, (kind, settings) in enumerate(made):
        make_record(run, kind, settings, {"accuracy": 0.5}, name=str(number))
    report = build_report([run])
    shown = {link for table in (*report.tables[1:], *report.further)
             for value in values_of(table).values() for link in value.links}  # fmt: skip
    assert shown == {each.anchor for each in report.records}
    assert {kind for kind, _ in made} <= {table.title for table in report.further}


def test_controls_stand_below_the_metric_that_they_are_named_after(folder):
    metrics = {"hits": 0.5, "hits_silent": 0.1, "error": Metric(value=30.0, unit="°")}
    make_record(folder / "run", "localization", {}, metrics)
    (table,) = (each for each in build_report([folder / "run"]).further if each.rows)
    assert [row.label for row in table.rows] == ["hits", "error"]
    (value, error) = (row.lines[0].cells[0] for row in table.rows)
    assert (value.text, value.notes) == ("50.00 %", ("silent 10.00",))
    assert error.text == "30.0°"


def test_a_record_without_numbers_has_no_column(folder):
    for settings, metrics in (({"pictures": 2}, {}), ({}, {"hits": 0.5})):
        make_record(folder / "run", "localization", settings, metrics, name=str(len(metrics)))
    report = build_report([folder / "run"])
    (table,) = (each for each in report.further if each.rows)
    assert len(table.columns) == len(table.rows[0].lines[0].cells) == 1
    assert len(report.records) == 2


def parsed(command: str) -> click.Context:
    """Parse a command as the command line does, without carrying it out."""
    words = shlex.split(command)
    assert words.pop(0) == "avsa"
    found: click.Command = cli
    context = click.Context(cli)
    while isinstance(found, click.Group):
        name, found, words = found.resolve_command(context, words)
        context = click.Context(found, parent=context, info_name=name)
    return found.make_context(found.name, words, parent=context.parent)


def test_missing_cells_name_commands_that_are_accepted(folder):
    runs = [make_run(folder / recipe, recipe) for recipe in ("avc", "avsa", "small")]
    make_record(runs[1], "avc-bin", {"views": 4, "translated": True}, {"accuracy": 0.5})
    report = build_report(runs)
    for layout, table in zip(PAPER_TABLES, report.tables[1:], strict=True):
        fills = {fill.anchor: fill for fill in table.fills}
        for label, line in ((row.label, line) for row in table.rows for line in row.lines):
            for column, cell in zip(layout.columns, line.cells, strict=True):
                if isinstance(cell, Missing) and column.kind in COMMANDS:
                    (command,) = fills[cell.anchor].commands
                    check_fills(command, layout, label, column)
    commands = [
        command
        for table in report.tables
        for fill in table.fills
        for command in fill.commands
        if command.startswith("avsa train")
    ]
    trained = {parsed(command).params["recipe"] for command in commands}
    assert {"avts", "avsa-mlp", "avc-transformer"} <= trained <= set(recipe_names())
    assert not {"avc", "avsa"} & trained


def test_a_missing_probe_names_the_scenes_that_it_needs(folder):
    report = build_report([make_run(folder / "run", "small")])
    (table,) = (each for each in report.further if each.title == "probe")
    assert parsed(table.fills[0].commands[0]).params["scenes"] == Path("SCENES")


def check_fills(command: str, layout: PaperTable, label: str, column: Column) -> None:
    """Check that the record of a command would land in the cell."""
    context = parsed(command)
    given = {name: value for name, value in context.params.items() if value is not None}
    assert context.info_name == column.kind
    assert column.takes(column.kind, given)
    recipe = Path(given["subject"]).name
    if recipe not in ("scratch", "kinetics"):
        approach = approach_of_recipe(to_mapping(load_config(recipe)))
        assert layout.row_of(approach, given) == label


@pytest.mark.parametrize(
    ("recipe", "layout", "label"),
    [
        ("avc", TABLE_2, "AVC no transf."),
        ("avts-transformer", TABLE_2, "AVTS transf."),
        ("small", TABLE_2, "AVSA transf. no curriculum"),
        ("small", TABLE_3, "AVSA no curriculum"),
        ("avsa-mlp", TABLE_4, "AVSA mlp"),
    ],
)
def test_a_run_without_records_waits_in_its_row(folder, recipe, layout, label):
    run = make_run(folder / "run", recipe)
    rows = [r.label for r in table_of(layout, run).rows if r.lines[0].label == str(run)]
    assert rows == [label]


def test_a_filled_table_has_no_commands(folder):
    run = make_run(folder / "run", "avsa")
    for column, translated in product(TABLE_2.columns, (True, False)):
        make_record(run, column.kind, {**column.options, "translated": translated},
                    {"accuracy": 0.5})  # fmt: skip
    commands = [c for fill in table_of(TABLE_2, run).fills for c in fill.commands]
    assert not [command for command in commands if str(run) in command]


def test_a_folder_without_results_is_refused(tmp_path):
    with user_error("missing", tmp_path):
        build_report([tmp_path])


def test_action_is_of_the_data_set_that_it_names(folder):
    run = folder / "run"
    for dataset, accuracy in (("ucf101", 0.6), ("hmdb51", 0.3)):
        settings = {"dataset": dataset, "root": f"/{dataset}", "folds": [1, 2, 3]}
        metrics = {"clip@1": accuracy, "video@1": accuracy + 0.1}
        make_record(run, "action", settings, metrics, data={"data set": dataset})
    found = values_of(table_of(TABLE_4, run))
    texts = [found["AVSA", number].text for number in range(4)]
    assert texts == ["60.00", "70.00", "30.00", "40.00"]
    assert len(lines_of(TABLE_4, "AVSA", run)) == 1
    make_record(folder / "other", "action", settings, metrics, seed=1, data={"data set": "cleaned"})
    assert len(lines_of(TABLE_4, "AVSA", run, folder / "other")) == 3


def test_segmentation_has_the_interval_of_the_whole_split(folder):
    metrics = {
        "image_miou": 0.4, "miou": Metric(value=0.3, low=0.2, high=0.5),
        "batch_pixel_accuracy": 0.7, "pixel_accuracy": Metric(value=0.6, low=0.5, high=0.8),
    }  # fmt: skip
    make_record(folder / "run", "segmentation", {"inputs": "video"}, metrics)
    values = values_of(table_of(TABLE_3, folder / "run"))
    accuracy, miou = (values["AVSA", column] for column in (0, 1))
    assert (accuracy.text, accuracy.notes) == ("70.00", ("whole split 60.00", "50.00 to 80.00"))
    assert (miou.text, miou.notes) == ("40.00", ("whole split 30.00", "20.00 to 50.00"))


def test_no_number_is_missing_that_the_paper_does_not_have(folder):
    make_run(folder / "run", "avsa")
    for layout in PAPER_TABLES:
        for row in table_of(layout, folder / "run").rows:
            for line in row.lines:
                has = [isinstance(cell, Missing) for cell in line.cells]
                assert has == [number is not None for number in layout.paper[row.label]]
