"""What ends a run, or keeps it from beginning, with a line that says why."""

import json
import shutil

import pytest
import torch
from helpers.errors import user_error

from avsa.tasks.contrastive import ProjectionTask
from avsa.training.checkpoint import checkpoints_of, load_checkpoint
from avsa.training.learner import Learner
from avsa.training.loop import train
from yt360.errors import UserError


def test_a_batch_that_cannot_be_filled_is_an_error(tiny_config, alone, data, tmp_path, caplog):
    dataset = shutil.copytree(data, tmp_path / "data")
    sorted((dataset / "train").glob("clips-*.tar"))[0].unlink()
    # Four videos are left; in this order each lost clip has one of them to take its place.
    config = tiny_config("avc", "sampling.draws_per_video=2", steps=2)
    train(config, dataset, tmp_path / "run", alone)
    assert caplog.text.count("cannot be opened") == 1
    with user_error("empty"):
        train(tiny_config("avc", batch_size=8), dataset, tmp_path / "larger", alone)


def test_what_a_later_stage_needs_is_refused_before_the_first_step(
    tiny_config, alone, data, tmp_path
):
    with user_error("out-of-range", "data.windows_per_clip"):
        train(tiny_config("avts", "data.window_gap_s=2.0"), data, tmp_path / "run", alone)
    with user_error("out-of-range", "audio.n_fft"):
        train(tiny_config("avc", "data.audio_duration_s=0.01"), data, tmp_path / "run", alone)
    labels = "views.sampler=labels"
    with pytest.raises(UserError):
        train(tiny_config("avsa", labels), data, tmp_path / "run", alone)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_that_does_not_belong_to_its_run_is_refused(
    tiny_config, alone, data, tmp_path
):
    config, run = tiny_config("avc", steps=2), tmp_path / "run"
    train(config, data, run, alone, steps=1)
    (path,) = checkpoints_of(run)
    content = load_checkpoint(path)
    for change, code in (
        ({"optimizer": None}, "invalid"),
        ({"stats": None}, "invalid"),
        ({"task": None}, "invalid"),
        ({"encoders": {}}, "invalid"),
        ({"config": {**content["config"], "seed": 7}}, "conflict"),
    ):
        torch.save({**content, **change}, path)
        with user_error(code):
            train(config, data, run, alone, resume=True)


def test_a_loss_that_is_not_finite_stops_before_the_weights_move(
    tiny_config, alone, data, tmp_path, monkeypatch
):
    whole, calls = ProjectionTask.forward, iter(range(10))

    def explode(*arguments):
        loss, metrics = whole(*arguments)
        return (loss * float("nan") if next(calls) == 3 else loss), metrics

    monkeypatch.setattr(ProjectionTask, "forward", explode)
    run = tmp_path / "run"
    with user_error("out-of-range", "gradient_norm"):
        config = tiny_config("avc", "compute.bfloat16=off", steps=6)
        train(config, data, run, alone, log_keys=True)
    report = json.loads(next(run.glob("implausible-step-*.json")).read_text())
    assert (report["step"], report["loss"]) == (4, "nan")
    assert len(report["keys"]) == 4
    assert load_checkpoint(run)["step"] == 3


@pytest.mark.parametrize("value", ["inf", "1e35", "1e12"])
def test_a_gradient_that_cannot_be_one_stops_before_the_weights_move(
    tiny_config, alone, data, tmp_path, monkeypatch, value
):
    whole = Learner.norms

    def explode(learner):
        next(learner.encoders.parameters()).grad[0] = float(value)
        return whole(learner)

    monkeypatch.setattr(Learner, "norms", explode)
    with user_error("out-of-range", "gradient_norm"):
        train(tiny_config("avc", "optimizer.max_grad_norm=1.0"), data, tmp_path / "run", alone)
    assert not checkpoints_of(tmp_path / "run")


def test_a_dataset_smaller_than_a_batch_names_the_key_to_change(tiny_config, alone, data, tmp_path):
    config = tiny_config("small", batch_size=64)
    with user_error("out-of-range", "stages.avsa.batch_size"):
        train(config, data, tmp_path / "run", alone)
    assert not (tmp_path / "run").exists()


def test_more_views_than_fit_are_refused_before_anything_is_written(
    tiny_config, alone, data, tmp_path
):
    config = tiny_config("avsa-no-curriculum", "views.num_views=60")
    with user_error("out-of-range", "views.num_views"):
        train(config, data, tmp_path / "run", alone)
    assert not (tmp_path / "run").exists()
