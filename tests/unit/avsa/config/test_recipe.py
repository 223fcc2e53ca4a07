import dataclasses
import math
import os

import pytest

from avsa.config.recipe import (
    FREE_TO_CHANGE,
    TrainConfig,
    config_from_mapping,
    load_config,
    read_mapping,
    recipe_names,
    require_same_config,
    save_config,
)
from avsa.config.typed import flatten, from_mapping, merged, to_mapping
from yt360.errors import UserError


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_loads_and_survives_being_saved(recipe, tmp_path):
    config = load_config(recipe)
    save_config(config, tmp_path / "config.yaml")
    assert config_from_mapping(read_mapping(tmp_path / "config.yaml")) == config


def test_a_saved_config_is_complete(tmp_path):
    save_config(load_config("avc"), tmp_path / "config.yaml")
    saved = flatten(read_mapping(tmp_path / "config.yaml"))
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
    ("override", "message"),
    [
        ("optimizer.learning_rte=1", r"unknown key optimizer\.learning_rte"),
        ("optimiser.lr=1", r"unknown key optimiser; did you mean 'optimizer'\?"),
        ("stages.avsa.epochs=3", r"unknown key stages\.avsa; did you mean 'avc'\?"),
        ("optimizer.lr=fast", r"optimizer\.lr is 'fast' \(str\); it must be a number"),
        ("seed=1.5", r"seed is 1\.5 \(float\); it must be a whole number"),
        ("seed=true", r"seed is True \(bool\); it must be a whole number"),
        ("optimizer.kind=sgd", r"optimizer\.kind is 'sgd'; it must be one of: adam, adamw"),
        ("optimizer=3", r"optimizer is 3 \(int\); it must be a mapping"),
        ("seed", r"--set 'seed' is not KEY=VALUE"),
        ("stages.avc.steps=5", "give exactly one of them"),
        ("stages.avc.steps=-4", "give exactly one of them"),
        ("stages=3", r"--set stages=3 is no mapping; set stages\.NAME\.KEY=VALUE"),
        ("optimizer.lr=0", "optimizer lr is 0.0; it must be above 0"),
        ("optimizer.lr=.nan", r"optimizer\.lr is nan; it must be a finite number"),
        ("data.audio_duration_s=-.inf", r"audio_duration_s is -inf; it must be a finite number"),
        ("optimizer.lr=" + "9" * 400, r"optimizer\.lr is inf; it must be a finite number"),
        ("seed=0b_", r"seed is '0b_' \(str\); it must be a whole number"),
        ("seed=1:30", r"seed is '1:30' \(str\); it must be a whole number"),
        ("stages.avc.task.info_nce.negatives=clip", "nothing within a clip can be compared"),
        ("stages.avc.task.info_nce.within_clip_weight=1", "nothing within a clip can be compared"),
        ("stages.avc.task.kind=avsa", r"stages\.avc: avsa needs num_views of 2 or more, not 1"),
        ("stages.avc.task.kind=avts", r"stages\.avc: avts .* set moments to 2 or more"),
        ("compat=published", "unknown key compat"),
        ("compute.batch_norm_splits=0", r"compute\.batch_norm_splits is 0; it must be 1 or more"),
        (
            "compute={batch_norm_splits: 2, sync_batch_norm: true}",
            "batch_norm_splits 2; set one of them alone",
        ),
        ("data.video_position=left", r"data\.video_position is 'left'; it must be one of: middle"),
        ("encoders.video.base_channels=32", "video has 256 features and encoders.audio 512"),
    ],
)
def test_a_bad_override_is_one_clear_line(override, message):
    with pytest.raises(UserError, match=message) as caught:
        load_config("avc", [override])
    assert "\n" not in str(caught.value)


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
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(UserError, match="is not YAML"):
        load_config(str(tmp_path / "bad.yaml"))
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(UserError, match="is not a mapping"):
        load_config(str(tmp_path / "list.yaml"))


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 1e300, -1e300])
def test_every_number_of_a_recipe_has_a_range(number):
    recipe = to_mapping(load_config("small"))
    values, stage = flatten(recipe), next(iter(recipe["stages"]))
    keys = [key for key, value in values.items() if type(value) in (int, float)]
    keys += [
        f"stages.{stage}.num_views",
        f"stages.{stage}.windows_per_clip",
        "sampling.draws_per_video",
    ]
    assert len(keys) > 40
    for key in keys:
        with pytest.raises(UserError) as caught:
            config_from_mapping(recipe, [f"{key}={number}"])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [" + "x, " * 5000 + "]", r"seed is \['x'.* \(list\); it must be a whole number"),
        ("stages: {1: 2}", "stages.1 is 2"),
        ("stages: [" + "[], " * 5000 + "]", "it must be a mapping"),
        ("? " + "k" * 500 + "\n: 1", "unknown key kkk.*; (known|did)"),
        ("extends: [small]", "extends must be the name"),
        ("extends: 3", "extends must be the name"),
        ("extends: mine.yaml", "extends itself"),
        ("extends: loop/mine.yaml", "extends more than 16"),
        ("extends: pipe.yaml", "FIFO"),
        ("extends: /dev/zero", "unknown recipe '/dev/zero'"),
        ("extends: zero.yaml", "device"),
        ("extends: " + "x" * 5000 + ".yaml", "does not exist"),
        ("seed: " + "9" * 250, "seed is 9+ ... 9+; at most"),
        ("views: {sampler: [[[[uniform]]]]}", "views.sampler is .*; it must be one of"),
    ],
)
def test_a_hostile_recipe_is_one_short_line(tmp_path, text, message):
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UserError, match=message) as caught:
        load_config(str(tmp_path / "mine.yaml"))
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


def test_every_field_is_described():
    import ast
    import inspect

    from avsa.config import recipe as config
    from avsa.models import encoders, model, translation
    from avsa.tasks import infonce as losses
    from avsa.tasks import tasks
    from avsa.training import checkpoint
    from avsa.training import optimizer as optimization

    for module in (checkpoint, config, encoders, losses, model, optimization, tasks, translation):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
                for field, after in zip(node.body, node.body[1:], strict=False):
                    if isinstance(field, ast.AnnAssign):
                        assert isinstance(after, ast.Expr), f"{node.name}.{ast.unparse(field)}"


def test_a_resumed_run_may_change_how_it_is_carried_out_only():
    was = load_config("avc")
    require_same_config(was, load_config("avc", ["checkpoint.every_steps=7", "data.num_threads=3"]))
    for change, message in (
        ("optimizer.lr=0.1", r"optimizer\.lr was 0\.0001 and is 0\.1"),
        ("compute.batch_norm_splits=2", r"compute\.batch_norm_splits was 1 and is 2"),
    ):
        with pytest.raises(UserError, match=message):
            require_same_config(was, load_config("avc", [change]))


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_judges_held_out_clips(recipe):
    assert load_config(recipe).validation.every_steps > 0


def test_parts_for_memory_and_parts_for_batch_norm_do_not_mix():
    with pytest.raises(UserError, match=r"micro_batches=4 .*set compute\.batch_norm_splits=1"):
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


def test_merging_leaves_its_inputs_alone():
    base, change = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(base, change) == {"a": {"b": 1, "c": 2}}
    assert (base, change) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_whole_numbers_will_do_for_floats():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Sizes:
        length: float
        names: tuple[str, ...] = ()

    sizes = from_mapping(Sizes, {"length": 2, "names": ["a", "b"]})
    assert sizes == Sizes(length=2.0, names=("a", "b"))
    assert isinstance(sizes.length, float)
