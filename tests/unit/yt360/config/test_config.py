"""Config classes: checked wherever they are made, read from mappings, sections chosen by kind."""

import dataclasses
import pickle
from typing import Annotated, Literal

import pytest
from helpers.errors import user_error
from pydantic import Field, TypeAdapter

from yt360.config import (
    Section,
    config_class,
    conflict,
    flatten,
    from_mapping,
    merged,
    to_mapping,
)
from yt360.config.ranges import allowed, schema_at
from yt360.config.reference import key_reference
from yt360.registry import Registry

TASKS = Registry("task", "yt360.test_config_tasks")


@config_class
class Loss:
    """A loss."""

    temperature: Annotated[float, Field(gt=0, le=5)] = 1.0
    """Cosine similarities are divided
    by it."""


@config_class
class Warm:
    """Has a section with a default of its own."""

    loss: Loss = Loss(temperature=4.0)


@TASKS.register
@config_class
class Contrast:
    """Tell clips apart."""

    kind: Literal["contrast"] = "contrast"
    loss: Loss = Loss()


@TASKS.register
@dataclasses.dataclass(frozen=True)
class Own:
    """A task of a user, by a plain dataclass."""

    kind: str = "own"
    sizes: tuple[int, ...] = ()


@config_class
class Run:
    """A run."""

    task: Annotated[Contrast | Own, Section(TASKS, default="contrast")] = Contrast()
    """What is learned."""
    losses: dict[str, Loss] = dataclasses.field(default_factory=dict)
    """By name."""
    split: Literal["train", "test"] | None = None
    """Split of the dataset."""
    names: tuple[str, ...] = ()
    """Names."""
    length: Annotated[int, Field(ge=1)] = 1
    """Length."""
    whole: bool = False
    """All of it."""

    def __post_init__(self) -> None:
        if self.whole and self.split:
            raise conflict("whole and split do not go together")


@pytest.mark.parametrize(
    ("value", "code", "key"),
    [
        (3, "invalid", ""),
        ({"name": 1}, "unknown-name", "name"),
        ({"lenght": 2, "whole": 3}, "unknown-name", "lenght"),
        ({"whole": 1}, "invalid", "whole"),
        ({"length": 0}, "out-of-range", "length"),
        ({"length": True}, "invalid", "length"),
        ({"length": 2.5}, "invalid", "length"),
        ({"length": "2"}, "invalid", "length"),
        ({"names": "x"}, "invalid", "names"),
        ({"names": [1]}, "invalid", "names.0"),
        ({"split": "all"}, "unknown-name", "split"),
        ({"losses": {"a": {"temperature": 6}}}, "out-of-range", "losses.a.temperature"),
        ({"losses": {"a": {"temprature": 6}}}, "unknown-name", "losses.a.temprature"),
        ({"losses": {"a": {"temperature": float("nan")}}}, "out-of-range", None),
        ({"losses": {"a": {"temperature": 10**400}}}, "out-of-range", None),
        ({"losses": {"a": 3}}, "invalid", "losses.a"),
        ({"whole": True, "split": "test"}, "conflict", ""),
        ({"task": 3}, "invalid", "task"),
        ({"task": {"kind": "contast"}}, "unknown-name", "task"),
        ({"task": {"kind": ["own"]}}, "unknown-name", "task"),
        ({"task": {"loss": {"temperature": 0}}}, "out-of-range", "task.loss.temperature"),
        ({"task": {"loss": {"heat": 0}}}, "unknown-name", "task.loss.heat"),
        ({"task": {"kind": "own", "sizes": ["x"]}}, "invalid", "task.sizes.0"),
        ({"task": {"kind": "own", "loss": {}}}, "unknown-name", "task.loss"),
        ({"names": [b"x"]}, "invalid", ""),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(value, code, key):
    with user_error(code, key):
        from_mapping(Run, value)


def test_an_error_says_value_and_range_or_the_nearest_name():
    def message(value, **options):
        with pytest.raises(Exception) as raised:
            from_mapping(Run, value, **options)
        return str(raised.value)

    assert message({"length": 0}) == "length is 0; it must be a whole number at least 1"
    assert message({"split": "al"}) == "split is 'al'; it must be one of: train, test, or null"
    assert message({"task": {"kind": "contast"}}).endswith("did you mean 'contrast'?")
    assert message({"lenth": 1}, where="run") == "unknown key run.lenth; did you mean 'length'?"
    renamed = {"size": "length"}.get
    assert message({"size": 1}, renamed=renamed) == "size is called length now; rename it"


def test_instances_are_checked_where_they_are_made():
    with user_error("out-of-range", "temperature"):
        Loss(temperature=9.0)
    with user_error("out-of-range", "temperature"):
        dataclasses.replace(Loss(), temperature=0.0)
    with user_error("unknown-name", "heat"):
        Loss(heat=1.0)
    with user_error("conflict"):
        Run(whole=True, split="test")
    with pytest.raises(TypeError):
        Loss(1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Loss().temperature = 2.0


@pytest.mark.parametrize(
    "run",
    [
        Run(),
        Run(task=Own(sizes=(1, 2)), names=("a",), losses={"x": Loss(temperature=2.0)}),
        Run(task=Contrast(loss=Loss(temperature=3.0)), split="test"),
    ],
)
def test_mappings_and_pickles_give_the_configuration_back(run):
    assert from_mapping(Run, to_mapping(run)) == run
    assert pickle.loads(pickle.dumps(run)) == run
    assert hash(run.task) == hash(from_mapping(Run, to_mapping(run)).task)


def test_whole_numbers_will_do_for_numbers_and_lists_for_tuples():
    run = from_mapping(Run, {"names": ["a"], "losses": {"x": {"temperature": 2}}})
    assert run.names == ("a",) and isinstance(run.losses["x"].temperature, float)


def test_the_schema_has_descriptions_ranges_and_every_kind():
    schema = TypeAdapter(Run).json_schema()
    assert schema_at(schema, ["losses", "x", "temperature"])["description"].split() == (
        ["Cosine", "similarities", "are", "divided", "by", "it."]
    )
    kinds = [each["properties"]["kind"]["const"] for each in schema_at(schema, ["task"])["oneOf"]]
    assert kinds == ["contrast", "own"]
    assert allowed(schema_at(schema, ["names"])) == "a list, each a text"
    assert allowed({"type": "integer", "minimum": 2, "maximum": 8, "multipleOf": 2}) == (
        "a whole number from 2 to 8, a multiple of 2"
    )
    assert allowed(TypeAdapter(tuple[float, float]).json_schema()) == "a list of 2, each a number"


def test_merging_leaves_its_inputs_alone():
    base, change = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(base, change) == {"a": {"b": 1, "c": 2}}
    assert merged(base, {"a": None, "d": {"e": None}}) == {"d": {}}
    assert (base, change) == ({"a": {"b": 1}}, {"a": {"c": 2}})
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}}) == {"a.b": 1, "a.c.d": [2]}


def test_the_reference_lists_keys_of_every_kind_and_of_users():
    assert key_reference(Run) == [
        "  split  one of: train, test, or null; default null",
        "      Split of the dataset.",
        "  names  a list, each a text; default []",
        "      Names.",
        "  length  a whole number at least 1; default 1",
        "      Length.",
        "  whole  true or false; default false",
        "      All of it.",
        "",
        "task: What is learned.",
        "  task.kind  one of: contrast, own; default contrast",
        "      contrast: Tell clips apart.",
        "      own: A task of a user, by a plain dataclass.",
        "",
        "task.loss (kind contrast): A loss.",
        "  task.loss.temperature (kind contrast)  a number above 0 and at most 5; default 1.0",
        "      Cosine similarities are divided by it.",
        "  task.sizes (kind own)  a list, each a whole number; default []",
        "",
        "losses.NAME: By name.",
        "  losses.NAME.temperature  a number above 0 and at most 5; default 1.0",
        "      Cosine similarities are divided by it.",
    ]


def test_the_reference_has_the_defaults_of_the_class_that_has_a_section():
    lines = key_reference(Warm)
    assert "  loss.temperature  a number above 0 and at most 5; default 4.0" in lines
