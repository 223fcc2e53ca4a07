"""``avsa train --help-config`` and ``--schema`` list the keys that recipes have."""

import json
from importlib import resources

import pytest
from click.testing import CliRunner
from helpers.json_schema import accepts

from avsa.commands.train import command
from avsa.config.recipe import load_config, recipe_names
from yt360.config import flatten, to_mapping
from yt360.untrusted.yaml_files import read_yaml_mapping


def printed(option):
    result = CliRunner().invoke(command, [option])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def schema():
    return json.loads(printed("--schema"))


def test_every_key_of_every_recipe_is_listed_once_with_its_default():
    lines = [line for line in printed("--help-config").splitlines() if line[:3].strip()]
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert len(listed) == len(set(listed))
    assert all("; default " in line for line in lines if line.startswith("  "))
    for recipe in recipe_names():
        config = load_config(recipe)
        for key in flatten(to_mapping(config)):
            for stage in config.stages:
                key = key.replace(f"stages.{stage}.", "stages.NAME.")
            assert key in listed


def test_a_key_comes_with_type_range_default_and_meaning():
    text = printed("--help-config")
    for part in (
        "optimizer.lr  a number above 0 and at most 1,000,000; default 0.0001\n      Learning rate",
        "num_views  a whole number from 1 to 1024, or null; default null",
        "task.kind  one of: avc, avts, avsa, regression; default avc\n      avc: Audio-visual corr",
        "task.info_nce.temperature (kind avc, avts, avsa)  a number above 0",
    ):
        assert part in text


@pytest.mark.parametrize("recipe", recipe_names())
def test_the_schema_accepts_every_recipe(schema, recipe):
    path = resources.files("avsa.config") / "recipes" / f"{recipe}.yaml"
    assert accepts(schema, read_yaml_mapping(path))
    assert accepts(schema, to_mapping(load_config(recipe)))


@pytest.mark.parametrize(
    ("recipe", "accepted"),
    [
        ({"extends": "avsa", "stages": {"avc": None}, "views": {"num_views": None}}, True),
        ({"stages": {"a": {"task": {"translation": {"kind": "mlp"}}}}}, True),
        ({"sed": 1}, False),
        ({"seed": "1"}, False),
        ({"optimizer": {"lr": 0}}, False),
        ({"optimizer": {"learning_rate": 1e-3}}, False),
        ({"encoders": {"video": {"kind": "resnet"}}}, False),
        ({"encoders": {"audio": {"blocks_per_stage": 2}}}, False),
        ({"stages": {"a": {"task": {"kind": "regression", "embedding_dim": 8}}}}, False),
    ],
)
def test_the_schema_refuses_what_recipes_cannot_have(schema, recipe, accepted):
    assert accepts(schema, recipe) is accepted
