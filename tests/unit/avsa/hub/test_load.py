import os
import sys
from itertools import count
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers.errors import user_error
from helpers.tiny_models import SIZE, tiny_content
from safetensors.torch import save

import avsa
from avsa.commands.export import command as export_command
from avsa.hub.export import export_model
from avsa.training.checkpoint import save_checkpoint
from yt360.errors import UserError

FRAMES, RATE = 8, 24000


@pytest.fixture
def checkpoint(tmp_path):
    save_checkpoint(tmp_path / "c.pt", tiny_content())
    return tmp_path / "c.pt"


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    video = generator.integers(0, 256, (2, FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    audio = generator.normal(0, 0.1, (2, 4, RATE)).astype(np.float32)
    return video, audio


def test_embedding_one_is_embedding_a_batch(checkpoint, arrays):
    model = avsa.load(checkpoint)
    batch = model.embed(*arrays)
    assert batch.video.shape == batch.audio.shape == (2, model.feature_dim)
    for number in range(2):
        single = model.embed(arrays[0][number], arrays[1][number])
        torch.testing.assert_close(single.video, batch.video[number])
        torch.testing.assert_close(single.audio, batch.audio[number])


def test_similarity_compares_each_video_with_each_audio(checkpoint, arrays):
    model = avsa.load(checkpoint)
    video, audio = arrays[0], np.concatenate([arrays[1], arrays[1][:1] * 0.1])
    matrix = model.similarity(video, audio)
    assert matrix.shape == (2, 3) and matrix.abs().max() <= 1
    single = [[model.similarity(one, other) for other in audio] for one in video]
    torch.testing.assert_close(matrix, torch.tensor(single))


def test_encoders_without_a_task_have_no_similarity(tmp_path, arrays):
    save_checkpoint(tmp_path / "c.pt", {**tiny_content(), "task": None})
    with user_error("unsupported", "task"):
        avsa.load(tmp_path / "c.pt").similarity(*arrays)


def test_the_hash_of_weights_is_of_their_values(checkpoint, tmp_path):
    first, second = avsa.load(checkpoint), avsa.load(checkpoint)
    assert first.weights_hash() == second.weights_hash()
    with torch.no_grad():
        next(second.parameters()).view(-1)[0] += 1e-3
    assert first.weights_hash() != second.weights_hash()


def test_embedding_leaves_the_mode_of_the_model_alone(checkpoint, arrays):
    model = avsa.load(checkpoint)
    before = model.embed(*arrays)
    model.train()
    torch.testing.assert_close(model.embed(*arrays), before)
    assert model.training


def test_frames_are_resized_and_audio_is_resampled_to_what_the_model_takes(checkpoint):
    model = avsa.load(checkpoint)
    video = np.full((FRAMES, SIZE, SIZE, 3), 90, dtype=np.uint8)
    large = np.full((FRAMES, 3 * SIZE, 2 * SIZE, 3), 90, dtype=np.uint8)
    time = torch.arange(2 * RATE) / (2 * RATE)
    tone = (0.3 * torch.sin(2 * torch.pi * 440 * time)).expand(4, -1)
    at_rate = model.embed(video, tone[:, ::2])
    resampled = model.embed(large, tone, sample_rate_hz=2 * RATE)
    torch.testing.assert_close(resampled.video, at_rate.video)
    torch.testing.assert_close(resampled.audio, at_rate.audio, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("video", "audio", "key"),
    [
        (np.zeros((4, 8, 8, 3), np.float32), np.zeros((4, 9), np.float32), "video"),
        (np.zeros((4, 3, 8, 8), np.uint8), np.zeros((4, 9), np.float32), "video"),
        (np.zeros((4, 8, 8, 3), np.uint8), np.zeros((2, 9), np.float32), "audio"),
        (np.zeros((4, 8, 8, 3), np.uint8), np.zeros((4, 9), np.int16), "audio"),
        (np.zeros((2, 4, 8, 8, 3), np.uint8), np.zeros((3, 4, 9), np.float32), "audio"),
        (np.zeros((4, 8, 8, 3), np.uint8), np.zeros((4, RATE), np.float32), "video"),  # few frames
        (np.zeros((FRAMES, 8, 8, 3), np.uint8), np.zeros((4, 9), np.float32), None),  # too short
    ],
)
def test_arrays_of_other_shapes_are_refused(checkpoint, video, audio, key):
    with pytest.raises(UserError) as refused:
        avsa.load(checkpoint).embed(video, audio)
    assert key is None or refused.value.key == key


def test_an_exported_model_gives_the_same_features(checkpoint, arrays, tmp_path):
    out = tmp_path / "model"
    result = CliRunner().invoke(export_command, [str(checkpoint), "--out", str(out)])
    assert result.exit_code == 0, result.output
    before, after = avsa.load(checkpoint), avsa.load(out)
    torch.testing.assert_close(after.embed(*arrays), before.embed(*arrays), rtol=0, atol=0)
    torch.testing.assert_close(after.state_dict(), before.state_dict(), rtol=0, atol=0)
    assert after.config == before.config
    assert avsa.load(out / "model.safetensors").task is not None


def test_the_model_card_says_what_it_is_and_how_to_use_it(checkpoint, tmp_path):
    CliRunner().invoke(export_command, [str(checkpoint), "--out", str(tmp_path / "model")])
    card = (tmp_path / "model" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: avsa")
    for fact in ("avsa for 1 steps", "step 5", "3 clips (abc)", "24x24", "avsa.load"):
        assert fact in card


def test_an_export_that_failed_can_be_repeated(checkpoint, tmp_path, monkeypatch):
    out = tmp_path / "model"
    with monkeypatch.context() as full:
        full.setattr("avsa.hub.export.atomic_write", Mock(side_effect=OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space"):
            export_model(checkpoint, out)
    assert not any(out.iterdir())
    export_model(checkpoint, out)
    avsa.load(out)


def test_an_export_that_was_killed_anywhere_can_be_repeated(tmp_path):
    checkpoint = tmp_path / "c.pt"
    save_checkpoint(checkpoint, {**tiny_content(), "task": None})
    export_model(checkpoint, tmp_path / "whole")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    for stop in range(100):
        out, calls = tmp_path / f"killed-{stop}", count()

        def killed(event, arguments, out=out, calls=calls, stop=stop):
            changes = event in ("open", "os.rename", "os.mkdir") and str(out) in str(arguments[0])
            if changes and next(calls) == stop:
                os._exit(1)

        if (pid := os.fork()) == 0:
            sys.addaudithook(killed)
            export_model(checkpoint, out)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        export_model(checkpoint, out)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
        if status == 0:
            break
    assert stop > 6


def test_an_export_never_overwrites(checkpoint, tmp_path):
    with user_error("exists", "--out"):
        CliRunner().invoke(
            export_command, [str(checkpoint), "--out", str(tmp_path)], catch_exceptions=False
        )


def test_a_safetensors_file_of_others_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    for content in (save({"a": torch.zeros(1)}), b"text"):
        path.write_bytes(content)
        with user_error("invalid", path):
            avsa.load(tmp_path)


def test_weights_that_do_not_fit_their_recipe_are_refused(tmp_path):
    content = tiny_content()
    content["config"]["encoders"]["video"]["base_channels"] = 4
    content["config"]["encoders"]["audio"]["base_channels"] = 4
    save_checkpoint(tmp_path / "c.pt", content)
    with user_error("invalid", tmp_path / "c.pt"):
        avsa.load(tmp_path / "c.pt")
