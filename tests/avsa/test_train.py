"""Whole runs at tiny widths: what they leave behind, that they go on exactly, what they refuse."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

import avsa
from avsa import learner as learner_module
from avsa import train as train_module
from avsa.checkpoint import checkpoints_of, load_checkpoint
from avsa.commands.embed import command as embed_command
from avsa.commands.train import command as train_command
from avsa.config import ValidationConfig, load_config, recipe_names, save_config
from avsa.curriculum import fit_batches
from avsa.distributed import World
from avsa.embed import EmbedConfig, embed_dataset
from avsa.runfolder import settle_request
from avsa.runlog import read_log
from avsa.stats import measure_stats, save_stats
from avsa.train import train
from avsa.validation import Validation
from yt360.errors import UserError
from yt360.shards.reader import ShardReader

TINY = [
    "views.height=16",
    "views.width=16",
    "audio.bands=16",
    "audio.hop=240",
    "video_encoder={width: 2, stages: 2, blocks_per_stage: 1}",
    "audio_encoder={width: 2, stages: 2}",
    "data.video_duration_s=0.125",
    "data.threads=1",
    "data.moment_gap_s=0.5",
    "checkpoint.every=3",
]
TIMES = ("step_s", "views_per_s", "data_wait_s", "memory_mb")
ALONE = World(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums depend on how many threads share them: here always one, in other processes too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tiny_dataset, tmp_path_factory):
    """A copy of the tiny dataset, with audio statistics of few samples."""
    folder = shutil.copytree(tiny_dataset, tmp_path_factory.mktemp("data") / "tiny")
    for overrides in ([], ["compat=published"]):
        audio = load_config("small", [*TINY, *overrides]).audio
        save_stats(measure_stats(folder, audio, samples=8), folder, audio, samples=8, seed=0)
    return folder


def tiny_config(recipe, *overrides, steps=2, batch_size=4):
    """Return a recipe at tiny widths whose stages take `steps` steps each."""
    stages = []
    for name in load_config(recipe).stages:
        key = f"stages.{name}"
        stages += [f"{key}.epochs=0", f"{key}.steps={steps}", f"{key}.batch_size={batch_size}"]
    return load_config(recipe, [*TINY, *stages, *overrides])


def comparable(run):
    """Return the log without what depends on the clock."""
    return [
        {key: value for key, value in record.items() if key not in TIMES}
        for record in read_log(run)
    ]


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_trains_through_all_its_stages(recipe, data, tmp_path):
    config = tiny_config(recipe)
    outcome = train(config, data, tmp_path / "run", ALONE)
    records = read_log(tmp_path / "run")
    assert outcome.step == outcome.steps == len(records) == 2 * len(config.stages)
    assert [record["stage"] for record in records] == [n for n in config.stages for _ in range(2)]
    assert all(math.isfinite(record["loss"]) for record in records)
    model = avsa.load(tmp_path / "run")
    assert model.task.config == list(config.stages.values())[-1].task


def test_encoders_go_on_to_the_next_stage_and_the_task_does_not(data, tmp_path):
    overrides = ["optimizer.lr=1e-30", "checkpoint.every=2", "optimizer.weight_decay=0"]
    train(tiny_config("avsa", *overrides), data, tmp_path / "run", ALONE)
    first, last = (load_checkpoint(path) for path in checkpoints_of(tmp_path / "run"))
    assert (first["stage"], last["stage"]) == ("avc", "avsa")
    weights = [name for name in first["encoders"] if "running" not in name and "num" not in name]
    before, after = ([content["encoders"][name] for name in weights] for content in (first, last))
    torch.testing.assert_close(after, before)
    assert not first["task"].keys() & last["task"].keys()


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """A run through a change of stage and of epoch, with dropout, that nothing disturbed."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    config = tiny_config("avsa", "stages.avc.steps=4", "stages.avsa.steps=6")
    train(config, data, run, ALONE, log_keys=True)
    return config, run


def test_a_log_line_tells_loss_metrics_costs_and_keys(undisturbed):
    records = read_log(undisturbed[1])
    assert [record["step"] for record in records] == list(range(1, 11))
    last = records[-1]
    assert {"loss", "loss_v2a", "loss_a2v", "lr", "epoch", "failed_reads", *TIMES} <= last.keys()
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


@pytest.mark.parametrize("stop_at", [2, 4, 7])
def test_a_run_that_stopped_goes_on_as_if_it_had_not(undisturbed, data, tmp_path, stop_at):
    config, whole = undisturbed
    train(config, data, tmp_path / "run", ALONE, steps=stop_at, log_keys=True)
    train(config, data, tmp_path / "run", ALONE, resume=True, log_keys=True)
    assert comparable(tmp_path / "run") == comparable(whole)
    ours, theirs = (load_checkpoint(run) for run in (tmp_path / "run", whole))
    torch.testing.assert_close(ours["encoders"], theirs["encoders"], rtol=0, atol=0)
    torch.testing.assert_close(ours["optimizer"], theirs["optimizer"], rtol=0, atol=0)


@pytest.fixture(scope="module")
def long_run(data, tmp_path_factory):
    """A longer run that nothing disturbed, to compare with."""
    run = tmp_path_factory.mktemp("long") / "run"
    train(tiny_config("avc", steps=40), data, run, ALONE, log_keys=True)
    return run


def start(arguments, **environment):
    """Start ``avsa train`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "avsa", "train", "--log-keys", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def test_a_killed_run_goes_on_with_the_same_losses_to_the_bit(long_run, data, tmp_path):
    run, recipe = tmp_path / "run", shutil.copy(long_run / "config.yaml", tmp_path)
    process = start(["--data", data, "--recipe", recipe, "--out", run])
    while process.poll() is None and not ((run / "log.jsonl").exists() and len(read_log(run)) > 4):
        time.sleep(0.01)
    process.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output
    assert len(read_log(run)) < 40, "the run was over before it was killed"
    train(load_config(recipe), data, run, ALONE, resume=True, log_keys=True)
    assert comparable(run) == comparable(long_run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_step_and_ends_cleanly(long_run, data, tmp_path, monkeypatch, number):
    config, run = load_config(str(long_run / "config.yaml")), tmp_path / "run"
    whole, calls = learner_module.forward_backward, iter(range(40))

    def interrupted(*arguments):
        if next(calls) == 4:
            os.kill(os.getpid(), number)
        return whole(*arguments)

    monkeypatch.setattr(learner_module, "forward_backward", interrupted)
    before = signal.getsignal(number)
    outcome = train(config, data, run, ALONE, log_keys=True)
    assert signal.getsignal(number) == before
    assert load_checkpoint(run)["step"] == outcome.step == 5
    message = outcome.message(run)
    assert f"stopped by {number.name}, step 5 of 40" in message
    assert f"go on: avsa train --out {run} --resume" in message
    train(config, data, run, ALONE, resume=True, log_keys=True)
    assert comparable(run) == comparable(long_run)


def start_two_ranks(*arguments_of_each):
    """Start two ranks; return their exit codes and what they said."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = [
        start(arguments, RANK=str(rank), LOCAL_RANK=str(rank), **address)
        for rank, arguments in enumerate(arguments_of_each)
    ]
    outputs = [rank.communicate(timeout=200)[0] for rank in ranks]
    return [rank.returncode for rank in ranks], outputs


def test_ranks_that_were_told_different_folders_say_so(long_run, data, tmp_path):
    arguments = ["--data", data, "--recipe", shutil.copy(long_run / "config.yaml", tmp_path)]
    codes, outputs = start_two_ranks(arguments, [*arguments, "--out", tmp_path / "run"])
    assert codes == [2, 2], outputs
    assert "ranks disagree: --out is runs/config-" in outputs[0] + outputs[1]
    assert not (tmp_path / "run").exists()


def test_two_ranks_see_the_same_clips_and_another_number_of_ranks_goes_on(long_run, data, tmp_path):
    run, recipe = tmp_path / "run", shutil.copy(long_run / "config.yaml", tmp_path)
    arguments = ["--data", data, "--recipe", recipe, "--out", run, "--steps", 2]
    arguments += ["--set", "validation.every=2", "--set", "validation.split=train"]
    codes, outputs = start_two_ranks(arguments, arguments)
    assert codes == [0, 0], outputs
    assert "step 2 of 2" in outputs[0]
    assert "held_out_avc_accuracy" in read_log(run)[1]
    train(load_config(recipe), data, run, ALONE, steps=4, resume=True, log_keys=True)
    ours, theirs = ([record["keys"] for record in read_log(path)] for path in (run, long_run))
    assert ours == theirs[:4]


def test_two_ranks_train_without_held_out_clips(data, many_shards, tmp_path):
    dataset = shutil.copytree(many_shards, tmp_path / "data")  # it has no test clips
    shutil.copy(data / "audio_stats.json", dataset)
    save_config(tiny_config("avsa-no-curriculum", "validation.every=1"), tmp_path / "tiny.yaml")
    arguments = ["--data", dataset, "--recipe", tmp_path / "tiny.yaml", "--out", tmp_path / "run"]
    codes, outputs = start_two_ranks(arguments, arguments)
    assert codes == [0, 0], outputs


def test_held_out_clips_are_judged_now_and_then_and_at_the_end(data, tmp_path):
    plain, judged = tmp_path / "plain", tmp_path / "judged"
    config = tiny_config("avsa-no-curriculum", steps=5)
    train(config, data, plain, ALONE)
    judging = replace(config, validation=ValidationConfig(every=2, split="train"))
    train(judging, data, judged, ALONE, steps=3)
    train(judging, data, judged, ALONE, resume=True)
    at = [r["step"] for r in read_log(judged) if "held_out_view_accuracy" in r]
    assert at == [2, 3, 4, 5]
    # Training itself goes on as if nobody had looked.
    losses = [[record["loss"] for record in read_log(run)] for run in (plain, judged)]
    assert losses[0] == losses[1]


def test_a_run_that_dies_while_judging_has_a_line_for_every_step_in_the_end(
    data, tmp_path, monkeypatch
):
    config = tiny_config("avsa-no-curriculum", steps=6)
    judging = replace(config, validation=ValidationConfig(every=3, split="train"))

    class Died(BaseException):
        pass

    def die(*_):
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(Validation, "judge", die)
        train(judging, data, tmp_path / "run", ALONE)
    train(judging, data, tmp_path / "run", ALONE, resume=True)
    judged = [record["step"] for record in read_log(tmp_path / "run") if "held_out_loss" in record]
    assert [record["step"] for record in read_log(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]
    assert judged == [3, 6]


def damaged(data, folder, videos, split="train"):
    """Return a copy of the dataset whose clips of some videos cannot be decoded."""
    shutil.copytree(data, folder)
    clips = ShardReader(folder, split)
    for row in clips.rows:
        if row.video_id in videos:
            with (folder / split / row.shard).open("r+b") as shard:
                shard.seek(row.mp4_offset)
                shard.write(bytes(row.mp4_bytes))
    return folder


def test_a_held_out_clip_that_cannot_be_read_does_not_end_training(data, tmp_path):
    config = tiny_config("avsa-no-curriculum", steps=2)
    judging = replace(config, validation=ValidationConfig(every=1, split="test"))
    videos = ShardReader(data, "test").video_ids
    train(judging, damaged(data, tmp_path / "data", videos[:1], "test"), tmp_path / "run", ALONE)
    assert all("held_out_loss" in record for record in read_log(tmp_path / "run"))


def test_too_few_held_out_videos_are_said_and_not_judged(data, many_shards, tmp_path, capsys):
    dataset = shutil.copytree(many_shards, tmp_path / "data")  # it has no test clips
    shutil.copy(data / "audio_stats.json", dataset)
    config = tiny_config("avsa-no-curriculum", steps=1)
    train(replace(config, validation=ValidationConfig(every=1)), dataset, tmp_path / "run", ALONE)
    assert "too few videos in test to judge" in capsys.readouterr().err
    assert not any(key.startswith("held_out") for key in read_log(tmp_path / "run")[0])


def test_a_lost_shard_leaves_a_batch_that_cannot_be_filled_and_says_so(data, tmp_path, caplog):
    dataset = shutil.copytree(data, tmp_path / "data")
    sorted((dataset / "train").glob("clips-*.tar"))[0].unlink()
    train(tiny_config("avc", steps=2), dataset, tmp_path / "run", ALONE)  # four videos are left
    assert caplog.text.count("cannot be opened") == 1
    with pytest.raises(
        UserError, match=r"clips cannot be read, so a batch of 8 .*lower batch_size"
    ):
        train(tiny_config("avc", batch_size=8), dataset, tmp_path / "larger", ALONE)


def test_what_a_later_stage_needs_is_refused_before_the_first_step(data, tmp_path):
    with pytest.raises(UserError, match=r"has no room for 4 moments .*lower .*data\.moment_gap_s"):
        train(tiny_config("avts", "data.moment_gap_s=2.0"), data, tmp_path / "run", ALONE)
    with pytest.raises(UserError, match=r"240 samples, but an audio\.window of 512 needs more"):
        train(tiny_config("avc", "data.audio_duration_s=0.01"), data, tmp_path / "run", ALONE)
    labels = "views.sampler=labels"
    with pytest.raises(UserError, match="no labels named 'panoptic'"):
        train(tiny_config("avsa", labels), data, tmp_path / "run", ALONE)
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_keeps_the_statistics_that_it_began_with(undisturbed, data, tmp_path):
    config, whole = undisturbed
    dataset = shutil.copytree(data, tmp_path / "data")
    train(config, dataset, tmp_path / "run", ALONE, steps=4, log_keys=True)
    save_stats(
        measure_stats(dataset, config.audio, samples=3, seed=9),
        dataset, config.audio, samples=3, seed=9,
    )  # fmt: skip
    train(config, dataset, tmp_path / "run", ALONE, resume=True, log_keys=True)
    assert comparable(tmp_path / "run") == comparable(whole)


def test_a_loss_that_is_not_finite_stops_before_the_weights_move(data, tmp_path, monkeypatch):
    whole = learner_module.forward_backward
    calls = iter(range(10))

    def explode(*arguments):
        loss, metrics = whole(*arguments)
        return (loss * float("nan") if next(calls) == 3 else loss), metrics

    monkeypatch.setattr(learner_module, "forward_backward", explode)
    run = tmp_path / "run"
    with pytest.raises(UserError, match=r"loss is nan, .* at step 4; .*not-finite-step"):
        train(tiny_config("avc", steps=6), data, run, ALONE, log_keys=True)
    report = json.loads(next(run.glob("not-finite-step-*.json")).read_text())
    assert (report["step"], report["loss"]) == (4, "nan")
    assert len(report["keys"]) == 4
    assert load_checkpoint(run)["step"] == 3


def test_a_gradient_that_is_not_finite_stops_before_the_weights_move(data, tmp_path, monkeypatch):
    whole = learner_module.forward_backward

    def explode(encoders, *arguments):
        result = whole(encoders, *arguments)
        next(encoders.parameters()).grad[0] = float("inf")
        return result

    monkeypatch.setattr(learner_module, "forward_backward", explode)
    with pytest.raises(UserError, match=r"gradient_norm is (inf|nan) at step 1; "):
        train(tiny_config("avc", "optimizer.gradient_clip=1.0"), data, tmp_path / "run", ALONE)
    assert not checkpoints_of(tmp_path / "run")


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.micro_batches=2"],
        ["compute.bfloat16=on", "compute.channels_last=on"],
        ["optimizer.kind=adamw", "optimizer.warmup_steps=1", "optimizer.gradient_clip=0.1"],
        ["audio.inputs=ambix+intensity"],
        ["stages.avsa.task.contrast={proposals: published, clip_weight: 1.0, chunk: 3}"],
        ["compat=published"],
    ],
)
def test_options_of_computing_train_too(overrides, data, tmp_path):
    train(tiny_config("avsa-no-curriculum", *overrides), data, tmp_path / "run", ALONE)
    assert all(math.isfinite(record["loss"]) for record in read_log(tmp_path / "run"))


@pytest.mark.gpu
def test_cuda_trains_and_repeats_to_the_bit_when_asked_to(data, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    config = tiny_config("avsa", "compute.deterministic=true", steps=3)
    world = World(0, 1, torch.device("cuda", 0))
    for name in ("whole", "stopped"):
        train(config, data, tmp_path / name, world, steps=4 if name == "stopped" else None)
    train(config, data, tmp_path / "stopped", world, resume=True)
    assert comparable(tmp_path / "stopped") == comparable(tmp_path / "whole")


def test_training_learns_to_tell_clips_apart(data, tmp_path):
    config = tiny_config(
        "avc",
        "optimizer.lr=0.01",
        "views.augment=false",
        "video_encoder={width: 8, stages: 3, blocks_per_stage: 1}",
        "audio_encoder={width: 8, stages: 3}",
        steps=60,
    )
    train(config, data, tmp_path / "run", ALONE)
    losses = [record["loss"] for record in read_log(tmp_path / "run")]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def invoke(*arguments):
    return CliRunner().invoke(train_command, [str(a) for a in arguments], catch_exceptions=False)


def test_the_command_says_where_things_are(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "mine.yaml"
    save_config(tiny_config("avc", steps=3), recipe)
    result = invoke("--data", data, "--recipe", recipe, "--steps", 1)
    assert "step 1 of 1; checkpoint: runs/mine-1/checkpoints/step-00000001.pt" in result.output
    assert 'avsa.load("runs/mine-1")' in result.output
    assert "runs/mine-2" in invoke("--data", data, "--recipe", recipe, "--steps", 1).output
    result = invoke("--out", "runs/mine-1", "--resume")
    assert "step 3 of 3" in result.output


def test_a_run_is_neither_overwritten_nor_resumed_by_mistake(undisturbed, data, tmp_path):
    config, run = undisturbed
    with pytest.raises(UserError, match="already holds a run; add --resume"):
        train(config, data, run, ALONE)
    with pytest.raises(UserError, match="holds no run to resume"):
        train(config, data, tmp_path / "none", ALONE, resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(UserError, match="is not empty and holds no run"):
        train(config, data, tmp_path / "other", ALONE)
    with pytest.raises(UserError, match=r"optimizer\.lr was 0\.0001 and is 0\.1"):
        invoke("--out", run, "--resume", "--set", "optimizer.lr=0.1")
    with pytest.raises(UserError, match="--resume needs --out"):
        invoke("--resume")
    with pytest.raises(UserError, match="are needed to start a run; recipes: avc, "):
        invoke("--data", data)


def test_a_run_does_not_go_on_with_other_clips(undisturbed, data, tmp_path, monkeypatch):
    config, run = undisturbed
    monkeypatch.setattr(train_module, "fingerprint", lambda _: "7 clips (another)")
    with pytest.raises(UserError, match=r"began with 16 clips \(.*has 7 clips \(another\)"):
        train(config, data, run, ALONE, resume=True)


def test_a_dataset_smaller_than_a_batch_names_the_key_to_change(data, tmp_path):
    config = tiny_config("small", batch_size=64)
    with pytest.raises(UserError, match=r"set batch_size to at most 8 .*--set stages\.avsa"):
        train(config, data, tmp_path / "run", ALONE)
    assert not (tmp_path / "run").exists()


def test_a_recipe_is_fitted_to_a_small_dataset_and_says_so(data, tmp_path):
    """What the user set is kept (the test above); the recipe's own size is lowered."""
    tiny = [part for text in TINY for part in ("--set", text)]
    request = ["--data", data, "--recipe", "small", "--out", tmp_path / "run", *tiny]
    first = invoke(*request, "--steps", 1)
    assert "batch_size 24 lowered to 8, because the dataset has 8 training videos" in first.output
    assert invoke(*request, "--steps", 2, "--resume").exit_code == 0
    assert [record["step"] for record in read_log(tmp_path / "run")] == [1, 2]


def test_a_resumed_run_keeps_the_batches_that_several_ranks_began_with(data, tmp_path):
    run, recipe = tmp_path / "run", ("--recipe", "small", "--data", data)
    three = settle_request(data, "small", TINY, run, resume=False, ranks=3).config
    assert three.stages["avsa"].batch_size == 6
    train(three, data, run, ALONE, steps=1)
    tiny = [part for text in TINY for part in ("--set", text)]
    for request, step in (((), 2), ((*recipe, *tiny), 3)):
        result = invoke("--out", run, "--resume", *request, "--steps", step)
        assert result.exit_code == 0, result.output
        assert load_checkpoint(run)["step"] == step
    assert "batch_size 6, as the run began" in result.output
    with pytest.raises(UserError, match="batch_size was 6 and is 8"):
        invoke("--out", run, "--resume", *recipe, *tiny, "--set", "stages.avsa.batch_size=8")


@pytest.mark.parametrize(("ranks", "expected"), [(1, 7), (2, 6), (3, 6), (4, 4)])
def test_fitted_batches_are_shared_evenly_and_chosen_ones_are_kept(ranks, expected):
    config = load_config("avsa")
    fitted, notes = fit_batches(config, num_videos=7, ranks=ranks, kept=["avc"])
    assert fitted.stages["avc"] == config.stages["avc"]
    assert fitted.stages["avsa"].batch_size == expected
    assert len(notes) == 1
    assert fit_batches(config, num_videos=5000, ranks=ranks) == (config, [])


def test_more_views_than_fit_are_refused_before_anything_is_written(data, tmp_path):
    config = tiny_config("avsa-no-curriculum", "views.num_views=60")
    with pytest.raises(UserError, match="60"):
        train(config, data, tmp_path / "run", ALONE)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def embedded(undisturbed, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "features.parquet"
    arguments = [data, "--checkpoint", undisturbed[1], "--out", out, "--split", "train"]
    result = CliRunner().invoke(embed_command, list(map(str, arguments)), catch_exceptions=False)
    assert "64 rows" in result.output
    return arguments, out


def test_a_dataset_is_embedded_a_row_for_each_clip_and_view(embedded):
    import pyarrow.parquet as pq

    table = pq.read_table(embedded[1])
    assert len(set(zip(*(table[name].to_pylist() for name in ("key", "view")), strict=True))) == 64
    assert sorted(set(table["azimuth_deg"].to_pylist())) == pytest.approx([-180, -90, 0, 90])
    features = torch.tensor(table["video"].to_pylist())
    assert features.shape == (64, 4)
    assert features.std() > 0


def test_a_dataset_of_another_form_than_the_model_takes_is_not_embedded(
    undisturbed, data, tmp_path
):
    model = avsa.load(undisturbed[1])
    model.fps = 30
    with pytest.raises(UserError, match="built with --fps 16 and the model takes --fps 30"):
        embed_dataset(model, data, tmp_path / "features.parquet", EmbedConfig())
    assert not list(tmp_path.iterdir())


def test_features_are_the_same_bytes_again_and_close_in_other_batches(embedded, tmp_path):
    import pyarrow.parquet as pq

    arguments, out = embedded
    for name, extra in (("again", []), ("batches", ["--batch-size", "3"])):
        arguments[4] = tmp_path / name
        CliRunner().invoke(embed_command, [*map(str, arguments), *extra], catch_exceptions=False)
    assert (tmp_path / "again").read_bytes() == out.read_bytes()
    tables = [pq.read_table(path) for path in (out, tmp_path / "batches")]
    assert tables[0]["key"].to_pylist() == tables[1]["key"].to_pylist()
    for name in ("video", "audio"):
        ours, theirs = (torch.tensor(table[name].to_pylist()) for table in tables)
        torch.testing.assert_close(ours, theirs)
