"""Checkpoints and exports of others: whatever a field holds, it is checked before it is used."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.errors import user_error
from safetensors.torch import save_file

import avsa
from avsa.config.recipe import config_from_mapping
from avsa.hub.export import export_model
from avsa.hub.saved import read_saved
from avsa.training.optimizer import build_optimizer
from yt360.config import to_mapping
from yt360.errors import UserError


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """Return the content of a whole checkpoint of tiny networks, after a step."""
    config = config_from_mapping(
        {
            "audio": {"n_mels": 16},
            "encoders": {
                "video": {"base_channels": 2, "num_stages": 2, "blocks_per_stage": 1},
                "audio": {"base_channels": 2, "num_stages": 2},
            },
            "stages": {"avc": {"steps": 1, "task": {"embedding_dim": 4}}},
        }
    )
    encoders = config.encoders.build(4)
    task = config.stages["avc"].task.build(config.encoders.feature_dim)
    parameters = [*encoders.parameters(), *task.parameters()]
    optimizer = build_optimizer(parameters, config.optimizer)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {
        "format": "avsa-checkpoint",
        "version": 1,
        "step": 5,
        "stage": "avc",
        "config": to_mapping(config),
        "clips": "3 clips (abc)",
        "fps": 16,
        "stats": {"mean_db": torch.full((16,), -40.0), "std_db": torch.ones(16)},
        "encoders": encoders.state_dict(),
        "task": task.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def changed(content: Any, path: str, value: Any) -> Any:
    """Return nested dicts with one value changed; its place is given as ``"a/b/c"``."""
    key, _, rest = path.partition("/")
    key = int(key) if key.isdigit() else key
    return {**content, key: changed(content[key], rest, value) if rest else value}


def save(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "c.pt")
    return folder / "c.pt"


def refusal(path: Path) -> str:
    """Return the one line by which a checkpoint is refused."""
    with pytest.raises(UserError) as caught:
        read_saved(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message and len(message) < 1000
    return message


def test_a_whole_checkpoint_is_read_bit_for_bit(tmp_path, content):
    saved = read_saved(save(tmp_path, content))
    assert (saved.step, saved.stage, saved.clips, saved.fps) == (5, "avc", "3 clips (abc)", 16)
    assert to_mapping(saved.config) == content["config"]
    for ours, theirs in (
        (saved.encoders, content["encoders"]),
        (saved.task, content["task"]),
        (saved.optimizer, content["optimizer"]["state"]),
        (vars(saved.audio_statistics), content["stats"]),
    ):
        torch.testing.assert_close(ours, dict(theirs), rtol=0, atol=0)


ODD_VALUES = [None, [], {}, "x", -1, 1.5, 2**80, True, torch.zeros(3), {"a": torch.zeros(3)}]
FIELDS = ["version", "plugins", "step", "stage", "config", "clips", "fps", "stats", "encoders",
          "task", "optimizer", "config/stages", "config/seed", "config/audio", "stats/mean_db",
          "optimizer/state", "optimizer/state/0", "optimizer/state/0/step",
          "optimizer/state/0/exp_avg", "encoders/video.conv1.0.weight"]  # fmt: skip


@pytest.mark.parametrize(
    ("old_key", "value"), [("config/data/num_threads", 2), ("config/audio/of_another_version", 1)]
)
def test_a_recipe_with_keys_of_another_version_is_not_called_damaged(
    tmp_path, content, old_key, value
):
    with pytest.raises(UserError) as caught:
        read_saved(save(tmp_path, changed(content, old_key, value)))
    assert (caught.value.code, "damaged" in str(caught.value)) == ("unknown-name", False)
    assert caught.value.key == old_key.removeprefix("config/").replace("/", ".")


@pytest.mark.parametrize("field", FIELDS)
def test_fields_of_other_types_are_refused_in_one_line_or_mean_nothing(tmp_path, content, field):
    for value in ODD_VALUES:
        path = save(tmp_path, changed(content, field, value))
        try:
            saved = read_saved(path)
        except UserError as error:
            assert "\n" not in str(error)
        else:  # left out, or a value of the right type
            assert (field, value) in [
                ("clips", "x"), ("plugins", []), ("optimizer", None), ("optimizer", {}),
                ("stats", None), ("task", None), ("config/audio", {}), ("config/seed", -1),
                ("config/seed", None), ("config/audio", None), ("optimizer/state", {}),
            ]  # fmt: skip
            assert saved.step == 5


@pytest.mark.parametrize("field", ["step", "stage", "config", "clips", "fps", "encoders"])
def test_missing_fields_are_named(tmp_path, content, field):
    missing = {key: value for key, value in content.items() if key != field}
    assert "recipe" if field == "config" else field in refusal(save(tmp_path, missing))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("stage", "other", "no stage 'other'"),
        ("stats/mean_db", torch.full((16,), torch.nan), "not finite float32"),
        ("stats/mean_db", torch.zeros(15), "not finite float32"),
        ("stats/std_db", torch.zeros(16), "not above 0"),
        ("encoders/video.conv1.0.weight", torch.zeros(1), "does not fit its own recipe"),
        ("encoders/extra", torch.zeros(1), "encoders.extra is"),
        ("optimizer/state/0/step", torch.tensor(torch.nan), "number of steps"),
        ("optimizer/state/999", {}, "other parameters"),
        ("optimizer/state/0/exp_avg", torch.zeros(1), "does not fit the weights"),
        ("config/encoders/video/base_channels", 10**9, "from 1 to 8192"),
        ("config/encoders/video/blocks_per_stage", 10**9, "from 1 to 32"),
        ("config/stages/avc/task/embedding_dim", 1 << 14, "does not fit its own recipe"),
        ("fps", 10**6, "fps"),
        ("step", 2**60, "step"),
        ("clips", "x" * 10**6, "clips"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path, content, field, value, message):
    assert message in refusal(save(tmp_path, changed(content, field, value)))


def test_a_recipe_of_huge_networks_takes_no_memory(tmp_path, content):
    huge = changed(content, "config/encoders/video", {"base_channels": 64, "num_stages": 8})
    huge = changed(huge, "config/encoders/audio", {"base_channels": 64, "num_stages": 8})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "does not fit its own recipe" in refusal(save(tmp_path, huge))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@pytest.mark.parametrize(
    ("path", "kind"), [("config/encoders/video", "my-encoder"), ("config/stages/avc/task", "mine")]
)
def test_a_missing_plugin_is_named_and_not_imported(tmp_path, monkeypatch, content, path, kind):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "not_yours.py").write_text("raise SystemExit('imported')")
    theirs = changed(content, path, {"kind": kind})
    with user_error("dependency", "not_yours"):
        read_saved(save(tmp_path, {**theirs, "plugins": ["not_yours"]}))
    assert kind in refusal(save(tmp_path, {**theirs, "plugins": []}))


@pytest.mark.parametrize("plugins", [["a b"], ["../x"], ["x" * 201], ["x"] * 101, [3], "x"])
def test_odd_names_of_plugins_are_refused(tmp_path, content, plugins):
    assert "plugin" in refusal(save(tmp_path, {**content, "plugins": plugins}))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"avsa": ""},
        {"avsa": "[]"},
        {"avsa": "3"},
        {"avsa": "[" * 100_000},
        {"avsa": '{"config": null}'},
        {"avsa": '{"step": 1e400}'},
    ],
)
def test_exports_with_odd_metadata_are_refused(tmp_path, metadata):
    save_file({"encoders.a": torch.zeros(1)}, tmp_path / "m.safetensors", metadata)
    refusal(tmp_path / "m.safetensors")


@pytest.mark.parametrize("header", [2**62, 2**24 + 1, 8, 0])
def test_safetensors_with_an_odd_header_are_refused(tmp_path, header):
    path = tmp_path / "m.safetensors"
    path.write_bytes(header.to_bytes(8, "little") + b"{" * 64)
    refusal(path)


def test_an_export_says_what_its_checkpoint_says(tmp_path, content):
    shared = changed(content, "encoders/video.conv1.1.bias", torch.zeros(4)[:2])
    path = save(tmp_path, shared)
    export_model(path, tmp_path / "model")
    ours, theirs = read_saved(tmp_path / "model"), read_saved(path)
    assert (ours.config, ours.step, ours.clips) == (theirs.config, theirs.step, theirs.clips)
    torch.testing.assert_close(ours.encoders, theirs.encoders, rtol=0, atol=0)
    facts = {"config": content["config"], "stage": "avc", "step": -5, "clips": "", "fps": 16}
    save_file(
        {f"encoders.{name}": each for name, each in content["encoders"].items()},
        tmp_path / "m.safetensors",
        {"avsa": json.dumps(facts)},
    )
    assert "step" in refusal(tmp_path / "m.safetensors")


@pytest.mark.real
@pytest.mark.parametrize("name", ["config_none.pt", "model_list.pt"])
def test_hostile_checkpoints_are_refused_in_one_line(real_data, name):
    refusal(real_data / "hostile" / name)
    with pytest.raises(UserError):
        avsa.load(real_data / "hostile" / name)
