import dataclasses
import math
import os

import pytest
from helpers.errors import user_error
from pydantic import TypeAdapter

from avsa.config.recipe import (
    FREE_TO_CHANGE,
    config_from_mapping,
    load_config,
    recipe_names,
    require_same_config,
    save_config,
)
from avsa.config.train_config import TrainConfig
from avsa.tasks.regression import RegressionConfig
from yt360.config import flatten, to_mapping
from yt360.config.ranges import resolved
from yt360.errors import UserError
from yt360.untrusted.yaml_files import read_yaml_mapping


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_loads_and_survives_being_saved(recipe, tmp_path):
    config = load_config(recipe)
    save_config(config, tmp_path / "config.yaml")
    assert config_from_mapping(read_yaml_mapping(tmp_path / "config.yaml")) == config


def test_a_saved_config_is_complete(tmp_path):
    save_config(load_config("avc"), tmp_path / "config.yaml")
    saved = flatten(read_yaml_mapping(tmp_path / "config.yaml"))
    assert saved["optimizer.lr"] == 1e-4
    assert saved["stages.avc.task.info_nce.temperature"] == 0.07


def test_overrides_reach_any_depth_and_the_last_one_wins():
    config = load_config(
        "avc",
        ["optimizer.lr=1e-3", "stages.avc.task.info_nce.temperature=0.1", "seed=1", "seed=2"],
    )
    assert config.optimizer.lr == 1e-3
    assert config.stages["avc"].task.info_nce.temperature == 0.1
    assert config.seed == 2


def test_on_and_off_are_words_not_booleans():
    assert load_config("avc", ["compute.bfloat16=off"]).compute.bfloat16 == "off"


@pytest.mark.parametrize(
    ("override", "code", "key"),
    [
        ("optimizer.learning_rte=1", "unknown-name", "optimizer.learning_rte"),
        ("stages.avsa.epochs=3", "unknown-name", "stages.avsa"),
        ("optimizer.kind=sgd", "unknown-name", "optimizer.kind"),
        ("data.video_position=left", "unknown-name", "data.video_position"),
        ("optimizer.lr=fast", "invalid", "optimizer.lr"),
        ("seed=1.5", "invalid", "seed"),
        ("seed=true", "invalid", "seed"),
        ("seed=1:30", "invalid", "seed"),
        ("seed=0b_", "invalid", "seed"),
        ("optimizer=3", "invalid", "optimizer"),
        ("stages=3", "invalid", "stages"),
        ("audio.n_fft=511", "invalid", "audio.n_fft"),
        ("seed", "invalid", "--set"),
        ("stages.avc.steps=-4", "out-of-range", "stages.avc.steps"),
        ("optimizer.lr=0", "out-of-range", "optimizer.lr"),
        ("optimizer.lr=.nan", "out-of-range", "optimizer.lr"),
        ("data.audio_duration_s=-.inf", "out-of-range", "data.audio_duration_s"),
        ("optimizer.lr=" + "9" * 400, "out-of-range", "optimizer.lr"),
        ("compute.batch_norm_splits=0", "out-of-range", "compute.batch_norm_splits"),
        ("stages=null", "conflict", ""),
        ("stages.avc.steps=5", "conflict", "stages.avc"),
        ("stages.avc.batch_size=1", "conflict", "stages.avc"),
        ("stages.avc.task.info_nce.negatives=clip", "conflict", "stages.avc.task"),
        ("stages.avc.task.info_nce.within_clip_weight=1", "conflict", "stages.avc.task"),
        ("stages.avc.task.kind=avcs", "unknown-name", "stages.avc.task"),
        ("stages.avc.task={kind: regression, translation: {kind: mlp}}", "unknown-name", None),
        ("stages.avc.task.kind=avsa", "conflict", ""),
        ("stages.avc.task.kind=avts", "conflict", ""),
        ("stages.avc.windows_per_clip=2", "conflict", ""),
        ("compute={batch_norm_splits: 2, sync_batch_norm: true}", "conflict", "compute"),
        ("encoders.video.base_channels=32", "conflict", "encoders"),
        ("audio.hop_length=600", "conflict", "audio"),
        ("views.hfov_min_deg=100", "conflict", "views"),
        ("views.min_elevation_deg=70", "conflict", "views"),
    ],
)
def test_a_bad_override_is_refused_by_its_key(override, code, key):
    with user_error(code, key):
        load_config("avc", [override])


def test_a_wrong_value_comes_with_what_is_allowed_and_a_wrong_key_with_the_nearest():
    with pytest.raises(UserError) as raised:
        load_config("avc", ["optimizer.lr=0"])
    assert str(raised.value).endswith("it must be a number above 0 and at most 1,000,000")
    with pytest.raises(UserError, match=r"unknown key optimiser; did you mean 'optimizer'\?"):
        load_config("avc", ["optimiser.lr=1", "seed=x"])


def test_another_kind_of_task_starts_from_its_defaults(tmp_path):
    same = load_config("small", ["stages.avsa.task.kind=avsa"]).stages["avsa"].task
    assert same.info_nce.within_clip_weight == 1.0
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: small\nstages: {avsa: {task: {kind: regression}}}\n")
    for recipe, changes in (("small", ["stages.avsa.task.kind=regression"]), (str(mine), [])):
        config = load_config(recipe, [*changes, "views.hflip_probability=0"])
        assert config.stages["avsa"].task == RegressionConfig()


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UserError, match=r"unknown recipe 'smal'; did you mean 'small'\?"):
        load_config("smal")


def test_a_recipe_file_extends_another_and_null_removes(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "extends: avc\nseed: 3\nstages: {avc: null, long: {epochs: 2, batch_size: 4}}\n"
    )
    config = load_config(str(mine))
    assert config.seed == 3
    assert list(config.stages) == ["long"]
    assert config.sampling == load_config("avc").sampling


def test_a_recipe_that_is_not_yaml_is_refused(tmp_path):
    for name, text in (("bad", "a: ["), ("list", "- 1")):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        with user_error("invalid", path):
            load_config(str(path))


def test_every_number_of_a_recipe_has_a_range():
    schema = TypeAdapter(TrainConfig).json_schema()
    numbers = [each for each in parts(schema) if each.get("type") in ("integer", "number")]
    assert len(numbers) > 40
    for each in numbers:
        assert {"minimum", "exclusiveMinimum"} & each.keys(), each
        assert {"maximum", "exclusiveMaximum"} & each.keys(), each


def test_every_key_is_described():
    schema = TypeAdapter(TrainConfig).json_schema()
    for each in parts(schema):
        for name, below in each.get("properties", {}).items():
            text = below.get("description") or resolved(below, schema)["description"]
            assert text.endswith("."), name


def parts(schema):
    """Yield the mappings in a JSON schema."""
    if isinstance(schema, dict):
        yield schema
        for below in schema.values():
            yield from parts(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from parts(below)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("seed: [" + "x, " * 5000 + "]", "invalid"),
        ("stages: {1: 2}", "invalid"),
        ("stages: [" + "[], " * 5000 + "]", "invalid"),
        ("? " + "k" * 500 + "\n: 1", "unknown-name"),
        ("extends: [small]", "invalid"),
        ("extends: 3", "invalid"),
        ("extends: mine.yaml", "conflict"),
        ("extends: loop/mine.yaml", "out-of-range"),
        ("extends: pipe.yaml", "invalid"),
        ("extends: /dev/zero", "unknown-name"),
        ("extends: zero.yaml", "invalid"),
        ("extends: " + "x" * 5000 + ".yaml", "missing"),
        ("seed: " + "9" * 250, "out-of-range"),
        ("views: {sampler: [[[[uniform]]]]}", "unknown-name"),
    ],
)
def test_a_hostile_recipe_is_one_short_line(tmp_path, text, code):
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UserError) as caught:
        load_config(str(tmp_path / "mine.yaml"))
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.real
def test_an_alias_bomb_is_refused_at_once(real_data):
    with pytest.raises(UserError, match="more than 20000 values"):
        load_config(str(real_data / "hostile" / "r7_lol2.yaml"))


def test_configs_are_frozen_and_keyword_only():
    config = load_config("avc")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1
    with pytest.raises(TypeError):
        TrainConfig(0)


def test_a_resumed_run_may_change_how_it_is_carried_out_only():
    was = load_config("avc")
    require_same_config(was, load_config("avc", ["checkpoint.every_steps=7", "data.num_workers=3"]))
    for change in ("optimizer.lr=0.1", "compute.batch_norm_splits=2"):
        with user_error("conflict", change.partition("=")[0]):
            require_same_config(was, load_config("avc", [change]))


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_judges_held_out_clips(recipe):
    assert load_config(recipe).validation.every_steps > 0


def test_parts_for_memory_and_parts_for_batch_norm_do_not_mix():
    with user_error("conflict"):
        load_config("avsa-published", ["optimizer.micro_batches=4"])


def test_the_keys_that_are_free_to_change_exist():
    keys = flatten(to_mapping(load_config("avc")))
    assert len([key for key in keys if FREE_TO_CHANGE.match(key)]) >= 6


@pytest.mark.parametrize("recipe", ["avsa-published", "avc-published"])
def test_published_recipes_follow_the_published_data_path(recipe):
    config = load_config(recipe)
    views, audio = config.views, config.audio
    assert views.min_separation_deg == 0 and views.hue == 0.2
    assert (views.min_elevation_deg, views.max_elevation_deg) == (-28.8, 30.6)
    half_widths = [
        math.tan(math.radians(hfov_deg) / 2)
        for hfov_deg in (views.hfov_min_deg, views.hfov_max_deg)
    ]
    assert half_widths == pytest.approx([math.pi * 0.0707, math.pi * 0.25], rel=1e-3)
    assert (views.hfov_spacing, views.elevation_spacing) == ("plane", "angle")
    assert 10 ** (audio.min_db / 20) == pytest.approx(1e-10)
    assert audio.steps(audio.sample_rate_hz) == 100
    assert config.data.video_position == "random"
    assert config.compute.batch_norm_splits == 2
    assert config.stages["avc"].batch_size == 112


def test_published_recipes_change_nothing_but_the_data_path_and_the_networks_ends():
    def kept(recipe):
        flat = flatten(to_mapping(load_config(recipe)))
        return {key for key, value in flat.items() if value == flat_of_paper.get(key)}

    flat_of_paper = flatten(to_mapping(load_config("avsa")))
    changed = flat_of_paper.keys() - kept("avsa-published")
    assert {key.split(".")[0] for key in changed} == {"views", "audio", "data", "compute", "stages"}
    assert {key for key in changed if key.startswith("stages")} == {
        "stages.avsa.task.translation.output_relu",
        "stages.avsa.task.info_nce.negatives",
    }


def test_a_recipe_that_extends_itself_is_refused(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(f"extends: {second}\n")
    second.write_text(f"extends: {first}\n")
    with pytest.raises(UserError, match=r"extends itself: .*a\.yaml -> .*b\.yaml -> .*a\.yaml"):
        load_config(str(first))


def test_a_recipe_extends_files_as_seen_from_its_own_folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.yaml").write_text("extends: avc\nseed: 010\n")
    (tmp_path / "deep" / "mine.yaml").write_text("extends: ../base.yaml\n")
    monkeypatch.chdir(tmp_path / "deep")
    for name in ("mine.yaml", "../deep/mine.yaml", str(tmp_path / "deep" / "mine.yaml")):
        assert load_config(name).seed == 10
    (tmp_path / "base.yaml").write_text("extends: deep/mine.yaml\n")
    with pytest.raises(UserError, match="extends itself"):
        load_config("mine.yaml")
