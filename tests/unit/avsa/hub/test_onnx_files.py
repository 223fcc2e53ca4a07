"""The encoders as ONNX compute what they compute in torch."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error

import avsa
from avsa.commands.export import command
from avsa.config.recipe import config_from_mapping
from avsa.hub.onnx_files import OPSET, export_onnx, onnx_file
from avsa.training.checkpoint import save_checkpoint
from yt360.config import to_mapping


def save_tiny(path):
    config = config_from_mapping(
        {
            "views": {"height": 16, "width": 20},
            "audio": {"n_mels": 16},
            "data": {"audio_duration_s": 0.2},
            "encoders": {
                "video": {"base_channels": 2, "num_stages": 2, "blocks_per_stage": 1},
                "audio": {"base_channels": 2, "num_stages": 2},
            },
            "stages": {"avc": {"steps": 1, "task": {"kind": "avc"}}},
        }
    )
    torch.manual_seed(0)
    encoders = config.encoders.build(4)
    for module in encoders.modules():  # else batch norm does nothing
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.running_mean, -0.05, 0.05)
            torch.nn.init.uniform_(module.running_var, 0.3, 1.0)
            torch.nn.init.uniform_(module.bias, 0.1, 0.5)
    stats = {"mean_db": torch.arange(16.0) - 40, "std_db": torch.arange(16.0) + 1}
    content = {"step": 5, "stage": "avc", "config": to_mapping(config), "clips": "3 clips (abc)"}
    content |= {"fps": 16, "stats": stats, "encoders": encoders.state_dict(), "task": None}
    save_checkpoint(path, content | {"optimizer": {}})


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A checkpoint, and what the command makes of it."""
    folder = tmp_path_factory.mktemp("onnx")
    save_tiny(folder / "c.pt")
    arguments = [str(folder / "c.pt"), "--out", str(folder / "onnx"), "--format", "onnx"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and str(OPSET) in result.output
    return folder / "c.pt", folder / "onnx"


@pytest.mark.parametrize("batch", [1, 3])
def test_features_are_those_of_torch_for_any_batch(folders, batch):
    model = avsa.load(folders[0])
    video = torch.randint(256, (batch, 8, 16, 20, 3), dtype=torch.uint8)
    audio = torch.rand(batch, 4, 4800) - 0.5
    inputs = {"video": model.prepare_video(video), "audio": model.prepare_audio(audio)[:, 0]}
    for name, views in inputs.items():
        session = onnxruntime.InferenceSession(folders[1] / f"{name}.onnx")
        (features,) = session.run(["features"], {name: views.numpy()})
        with torch.no_grad():
            wanted = model.encoders.get_submodule(name)(views).numpy()
        assert np.ptp(wanted) > 0.01
        np.testing.assert_allclose(features, wanted, rtol=0, atol=1e-4)


def test_metadata_prepare_the_inputs_and_have_the_recipe(folders):
    model, facts = avsa.load(folders[0]), {}
    for name in ("video", "audio"):
        proto = onnx.load(folders[1] / f"{name}.onnx")
        onnx.checker.check_model(proto)
        assert [(each.domain, each.version) for each in proto.opset_import] == [("", OPSET)]
        (entry,) = proto.metadata_props
        facts[name] = json.loads(entry.value)
        assert config_from_mapping(facts[name]["config"]) == model.config
        assert facts[name]["step"] == 5
    frames = torch.randint(256, (1, 8, 16, 20, 3), dtype=torch.uint8)
    mean, std = np.array(facts["video"]["rgb_mean"]), np.array(facts["video"]["rgb_std"])
    prepared = ((frames.numpy() / 255 - mean) / std).transpose(0, 4, 1, 2, 3)
    np.testing.assert_allclose(prepared, model.prepare_video(frames), atol=1e-5)
    assert facts["audio"]["mean_db"] == model.audio_statistics.mean_db.tolist()
    assert facts["audio"]["std_db"] == model.audio_statistics.std_db.tolist()


def test_files_have_no_paths_of_the_machine(folders):
    for file in folders[1].iterdir():
        assert b".py" not in file.read_bytes()


def test_an_export_overwrites_nothing_but_what_a_killed_one_left(folders, tmp_path):
    with user_error("exists", "--out"):
        export_onnx(*folders)
    (tmp_path / "video.onnx").touch()
    (tmp_path / "other").touch()
    with user_error("exists", "--out"):
        export_onnx(folders[0], tmp_path)


def test_without_its_packages_the_error_names_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with user_error("dependency", "onnxscript"):
        export_onnx(tmp_path / "c.pt", tmp_path / "onnx")


class Unusual(torch.nn.Module):
    def forward(self, views):
        return torch.linalg.eigvals(views.flatten(2)[:, :4, :4]).real


def test_an_encoder_that_onnx_cannot_express_is_refused_in_one_line(folders):
    model = avsa.load(folders[0])
    model.encoders.audio = Unusual()
    with user_error("unsupported", "encoders.audio"):
        onnx_file(model, "audio")
