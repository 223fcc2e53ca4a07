"""What a run computes and leaves behind."""

import math

import pytest
import torch

import avsa
from avsa.config.recipe import load_config, recipe_names, save_config
from avsa.training import repeatability
from avsa.training.checkpoint import checkpoints_of, load_checkpoint
from avsa.training.curriculum import fit_batches
from avsa.training.distributed import World
from avsa.training.loop import train
from avsa.training.metrics_log import read_log


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_trains_through_all_its_stages(tiny_config, alone, recipe, data, tmp_path):
    config = tiny_config(recipe)
    outcome = train(config, data, tmp_path / "run", alone)
    records = read_log(tmp_path / "run")
    assert outcome.step == outcome.steps == len(records) == 2 * len(config.stages)
    assert [record["stage"] for record in records] == [n for n in config.stages for _ in range(2)]
    assert all(math.isfinite(record["loss"]) for record in records)
    model = avsa.load(tmp_path / "run")
    assert model.task.config == list(config.stages.values())[-1].task


def test_encoders_go_on_to_the_next_stage_and_the_task_does_not(tiny_config, alone, data, tmp_path):
    overrides = ["optimizer.lr=1e-30", "checkpoint.every_steps=2", "optimizer.weight_decay=0"]
    train(tiny_config("avsa", *overrides), data, tmp_path / "run", alone)
    first, last = (load_checkpoint(path) for path in checkpoints_of(tmp_path / "run"))
    assert (first["stage"], last["stage"]) == ("avc", "avsa")
    weights = [name for name in first["encoders"] if "running" not in name and "num" not in name]
    before, after = ([content["encoders"][name] for name in weights] for content in (first, last))
    torch.testing.assert_close(after, before)
    assert not first["task"].keys() & last["task"].keys()


def test_a_log_line_tells_loss_metrics_costs_and_keys(undisturbed):
    records = read_log(undisturbed[1])
    assert [record["step"] for record in records] == list(range(1, 11))
    last = records[-1]
    assert {"loss", "loss_v2a", "loss_a2v", "lr", "epoch", "failed_reads"} <= last.keys()
    assert {"step_s", "views_per_s", "data_wait_s", "memory_mb"} <= last.keys()
    assert {"avc_accuracy", "avsa_accuracy", "view_accuracy", "spread_video"} <= last.keys()
    assert len(last["keys"]) == 4
    assert len({key.rpartition("-")[0] for key in last["keys"]}) == 4
    assert last["loss"] == pytest.approx((last["loss_v2a"] + last["loss_a2v"]) / 2)


def test_a_run_folder_holds_recipe_curves_and_the_newest_checkpoints(undisturbed):
    config, run = undisturbed
    assert load_config(str(run / "config.yaml")) == config
    assert list(run.glob("events.out.tfevents.*"))
    steps = [int(path.stem.removeprefix("step-")) for path in checkpoints_of(run)]
    assert steps == [6, 9, 10]
    content = torch.load(checkpoints_of(run)[-1], weights_only=True)
    assert content["step"] == 10


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.micro_batches=2"],
        pytest.param(["compute.bfloat16=on"], marks=pytest.mark.slow),
        pytest.param(["compute.channels_last=on"], marks=pytest.mark.slow),
        pytest.param(["compute.bfloat16=on", "compute.channels_last=on"], marks=pytest.mark.slow),
        ["compute.bfloat16=on", "compute.channels_last=on", "optimizer.micro_batches=2"],
        ["optimizer.kind=adamw", "optimizer.warmup_steps=1", "optimizer.max_grad_norm=0.1"],
        ["audio.channels=ambix+intensity"],
        ["stages.avsa.task.info_nce={negatives: published, within_clip_weight: 1, chunk_size: 3}"],
        ["compute.batch_norm_splits=2"],
    ],
)
def test_options_of_computing_train_and_repeat_to_the_bit(
    tiny_config, alone, comparable, overrides, data, tmp_path
):
    for name in ("first", "second"):
        train(tiny_config("avsa-no-curriculum", *overrides), data, tmp_path / name, alone)
    records = comparable(tmp_path / "first")
    assert records and all(math.isfinite(record["loss"]) for record in records)
    assert comparable(tmp_path / "second") == records


def test_options_that_do_not_repeat_are_turned_off_and_the_log_says_so(
    tiny_config, alone, comparable, data, tmp_path, monkeypatch
):
    plain, run = tmp_path / "plain", tmp_path / "run"
    overrides = "validation.every_steps=1", "compute.bfloat16=off"
    train(tiny_config("avc", *overrides), data, plain, alone)
    config = tiny_config("avc", *overrides, "compute.channels_last=on")
    gradient = iter(torch.arange(100.0))
    monkeypatch.setattr(repeatability, "small_step", lambda *_: [100 + next(gradient)[None]])
    for steps, resume in ((1, False), (2, True)):
        train(config, data, run, alone, steps=steps, resume=resume)
    warnings = [line for line in (run / "log.jsonl").read_text().splitlines() if "warning" in line]
    assert len(warnings) == 2 and "training uses compute.channels_last=off" in warnings[0]
    assert comparable(run) == comparable(plain)


@pytest.mark.gpu
def test_cuda_trains_and_repeats_to_the_bit_when_asked_to(tiny_config, comparable, data, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    config = tiny_config("avsa", "compute.deterministic=true", steps=3)
    world = World(0, 1, torch.device("cuda", 0))
    for name in ("whole", "stopped"):
        train(config, data, tmp_path / name, world, steps=4 if name == "stopped" else None)
    train(config, data, tmp_path / "stopped", world, resume=True)
    assert comparable(tmp_path / "stopped") == comparable(tmp_path / "whole")


def test_training_learns_to_tell_clips_apart(tiny_config, alone, data, tmp_path):
    config = tiny_config(
        "avc",
        "optimizer.lr=0.01",
        "views.augment=false",
        "encoders.video={base_channels: 8, num_stages: 3, blocks_per_stage: 1}",
        "encoders.audio={base_channels: 8, num_stages: 3}",
        steps=40,
    )
    train(config, data, tmp_path / "run", alone)
    losses = [record["loss"] for record in read_log(tmp_path / "run")]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_the_command_says_where_things_are(tiny_config, invoke, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "mine.yaml"
    save_config(tiny_config("avc", steps=3), recipe)
    result = invoke("--data", data, "--recipe", recipe, "--steps", 1)
    assert "step 1 of 1; checkpoint: runs/mine-1/checkpoints/step-00000001.pt" in result.output
    assert 'avsa.load("runs/mine-1")' in result.output
    assert "runs/mine-2" in invoke("--data", data, "--recipe", recipe, "--steps", 1).output
    result = invoke("--out", "runs/mine-1", "--resume")
    assert "step 3 of 3" in result.output


def test_a_recipe_is_fitted_to_a_small_dataset_and_says_so(invoke, tiny, data, tmp_path):
    """What the user set is kept (the test above); the recipe's own size is lowered."""
    tiny = [part for text in tiny for part in ("--set", text)]
    request = ["--data", data, "--recipe", "small", "--out", tmp_path / "run", *tiny]
    first = invoke(*request, "--steps", 1)
    assert "batch_size 24 reduced to 8, because the dataset has 8 training videos" in first.output
    assert invoke(*request, "--steps", 2, "--resume").exit_code == 0
    assert [record["step"] for record in read_log(tmp_path / "run")] == [1, 2]


@pytest.mark.parametrize(("ranks", "expected"), [(1, 7), (2, 6), (3, 6), (4, 4)])
def test_fitted_batches_are_shared_evenly_and_chosen_ones_are_kept(ranks, expected):
    config = load_config("avsa")
    fitted, notes = fit_batches(config, num_videos=7, ranks=ranks, kept=["avc"])
    assert fitted.stages["avc"] == config.stages["avc"]
    assert fitted.stages["avsa"].batch_size == expected
    assert len(notes) == 1
    assert fit_batches(config, num_videos=5000, ranks=ranks) == (config, [])
