"""The evaluation of action recognition, from the command line and after a kill."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from helpers.action_videos import write_hmdb, write_ucf
from helpers.errors import user_error
from helpers.scene_runs import invoke

from avsa.cli import cli
from avsa.evals.action.evaluation import ActionConfig, clip_shape
from avsa.evals.action.lists import read_fold
from avsa.evals.action.training import ActionBatch
from avsa.evals.action.windows import ClipShape
from avsa.evals.base import Context
from avsa.evals.config_options import configure
from avsa.evals.fit import ScheduleConfig
from avsa.evals.result import read_record, records_of
from avsa.evals.run import evaluate
from avsa.evals.subject import Evaluated, open_subject
from avsa.models.compute import ComputeConfig
from avsa.training.distributed import World
from yt360.errors import UserError

ALONE = World(0, 1, torch.device("cpu"))
TINY = {"batch_size": 3, "draws_per_video": 1, "test_clips": 2}
NARROW = "{base_channels: 2, num_stages: 4, blocks_per_stage: 1}"


def config(root, dataset="ucf101", **options):
    schedule = ScheduleConfig(epochs=2, lr=1e-2, milestones=(1,), gamma=0.3)
    return ActionConfig(**{"dataset": dataset, "root": root, "folds": (1, 2), "schedule": schedule,
                           **TINY, **options})  # fmt: skip


@pytest.fixture(scope="module")
def ucf(tmp_path_factory):
    return write_ucf(tmp_path_factory.mktemp("ucf"), groups=2)


class Stop(Exception):
    pass


def test_a_kill_in_the_second_fold_changes_nothing(scene_run, ucf, tmp_path, monkeypatch):
    monkeypatch.setattr("avsa.evals.fit.SAVE_EVERY_STEPS", 2)
    subject = open_subject(str(scene_run.run), "cpu")
    steps: list[int] = []
    stop_at: list[int] = []

    class Stopping(type(subject.model.encoders.video)):
        def forward(self, video):
            steps.extend([0] * self.training)
            if len(steps) in stop_at:
                raise Stop
            return super().forward(video)

    subject.model.encoders.video.__class__ = Stopping

    def carry_out(out):
        steps.clear()
        return evaluate(config(ucf), subject, None, out, ALONE)[0].result

    whole = carry_out(tmp_path / "whole")
    assert len(steps) == 2 * 2 * 2
    stop_at.append(7)  # the third step of fold 2
    with pytest.raises(Stop):
        carry_out(tmp_path / "killed")
    stop_at.clear()
    assert carry_out(tmp_path / "killed") == whole and len(steps) == 2
    assert [row["fold"] for row in whole.tables["folds"]] == [1, 2]
    assert [row["lr"] for row in whole.tables["epochs"]] == pytest.approx([1e-2, 3e-3] * 2)


def test_commands(own_run, tmp_path):
    root = write_hmdb(tmp_path / "hmdb")
    (root / "hmdb51_org/run/Film_2_run_f_cm_np1_ba_med_0.avi").write_bytes(b"x")
    (root / "hmdb51_org/run/Film_0_run_f_cm_np1_ba_med_0.avi").write_bytes(b"x")
    few = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    words = ("--dataset", "hmdb51", "--root", root, "--folds", "1", *few, "--set",
             "schedule.epochs=1", "--device", "cpu")  # fmt: skip
    invoke(cli, "eval", "action", own_run.run, *words)
    ((path, record),) = records_of(own_run.run)
    assert record.data["fold 1"].startswith("6 + 3 videos")
    assert len(record.result.notes) == 3 and record.result.tables["classes"][1]["videos"] == 0
    path.unlink()
    invoke(cli, *shlex.split(record.command)[1:], "--device", "cpu")
    assert read_record(path).result == record.result


def test_the_whole_network_is_trained_on_dropped_features(scene_run, ucf, tmp_path):
    """With all features dropped, only the bias of the classifier learns."""
    subject, asked = open_subject(str(scene_run.run), "cpu"), config(ucf)
    context = Context(subject, None, ALONE, tmp_path, tmp_path, tmp_path, "x")
    fold, compute = read_fold("ucf101", ucf, 1), ComputeConfig()
    network, dim = asked._network(fold, subject, ALONE, compute)
    assert all(each.requires_grad for each in network.parameters())
    assert all(each.training for each in network.modules())
    torch.nn.init.zeros_(network.head.bias)
    before = {name: each.clone() for name, each in network.named_parameters()}
    given = ActionBatch(torch.randn(2, 3, 4, 32, 32), torch.tensor([0, 1]), torch.zeros(2, dim))
    clips = SimpleNamespace(
        fold=fold, steps_per_epoch=1, batches=lambda _: (b for b in [given] * 2)
    )
    rows = asked._train(network, clips, context, compute)
    assert rows[0]["loss"] == pytest.approx(math.log(3), rel=1e-6)
    after = dict(network.named_parameters())
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"head.bias"}


@pytest.mark.slow  # frames of 112 x 112
def test_new_weights_depend_on_the_seed(ucf, tmp_path):
    narrow = {"folds": (1,), "encoder": configure("action", {"dataset": "ucf101", "root": str(ucf)},
              {"encoder": NARROW}).encoder}  # fmt: skip
    scratch = open_subject("scratch", "cpu")
    losses = [
        evaluate(config(ucf, seed=seed, **narrow), scratch, None, tmp_path / out, ALONE)[0]
        .result.tables["epochs"][0]["loss"]
        for seed, out in ((0, "a"), (0, "b"), (1, "c"))
    ]  # fmt: skip
    assert losses[0] == losses[1] != losses[2]


def test_clips_are_those_of_the_run_or_of_the_paper(scene_run):
    assert clip_shape(open_subject("scratch", "cpu")) == ClipShape(8, 16, 112, 112)
    run = open_subject(str(scene_run.run), "cpu")
    assert clip_shape(run) == ClipShape(4, run.model.fps, 32, 32)


def test_the_defaults_are_those_of_the_paper(ucf):
    default = configure("action", {"dataset": "ucf101", "root": str(ucf)}, {})
    rates = [default.schedule.rate(epoch) for epoch in range(default.schedule.epochs)]
    literal = [
        1e-4 * 0.3**times for times, epochs in enumerate([8, 4, 4, 4]) for _ in range(epochs)
    ]
    assert rates == pytest.approx(literal)
    assert (default.batch_size, default.dropout, default.test_clips) == (28, 0.5, 25)
    assert default.schedule.weight_decay == 0 and default.folds == (1, 2, 3)


@pytest.mark.parametrize(("name", "draws"), [("ucf101", 5), ("hmdb51", 10)])
def test_training_clips_have_the_options_of_the_evaluation(ucf, tmp_path, monkeypatch, name, draws):
    given = []

    def record(fold, options, *_):
        given.extend([fold.number, options])
        raise Stop

    monkeypatch.setattr("avsa.evals.action.evaluation.TrainingClips", record)
    root = ucf if name == "ucf101" else write_hmdb(tmp_path / "hmdb")
    encoder = configure("action", {"dataset": name, "root": str(root)}, {"encoder": NARROW}).encoder
    asked = config(root, name, folds=(1,), draws_per_video=None, seed=3, encoder=encoder)
    with pytest.raises(Stop):
        evaluate(asked, open_subject("scratch", "cpu"), None, tmp_path, ALONE)
    fold, options = given
    assert (fold, options.draws_per_video, options.batch_size) == (1, draws, 3)
    assert (options.dropout, options.feature_dim, options.seed) == (0.5, 16, 3)
    assert options.shape == ClipShape(8, 16, 112, 112)


@pytest.mark.parametrize(
    ("given", "code", "key"),
    [
        ({"dataset": "ucf11"}, "unknown-name", "dataset"),
        ({"folds": [1, 1]}, "conflict", None),
        ({"folds": [0]}, "out-of-range", "folds.0"),
        ({"root": None}, "missing", "root"),
    ],
)
def test_wrong_options_are_refused(given, code, key):
    options = {"dataset": "ucf101", "root": "/data", **given}
    with user_error(code, key):
        configure("action", {k: v for k, v in options.items() if v is not None}, {})


def test_models_options_and_ranks_that_do_not_fit_are_refused(scene_run, ucf, tmp_path):
    run, scratch, kinetics = (
        open_subject(name, "cpu") for name in (str(scene_run.run), "scratch", "kinetics")
    )
    narrow = configure("action", {"dataset": "ucf101", "root": str(ucf), "folds": [1]},
                       {"encoder": NARROW})  # fmt: skip
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"x")
    pair = World(0, 2, torch.device("cpu"))
    for asked, subject, world, code, key in (
        (replace(narrow, batch_size=3), run, ALONE, "conflict", "encoder"),
        (config(ucf, kinetics_weights=weights), scratch, ALONE, "conflict", "--kinetics-weights"),
        (config(ucf, kinetics_weights=weights), kinetics, ALONE, "invalid", weights),
        (config(ucf, kinetics_weights=tmp_path / "x"), kinetics, ALONE, "missing", None),
        (config(ucf, folds=(1, 4)), scratch, ALONE, "missing", "--folds"),
        (config(ucf, batch_size=28), scratch, ALONE, "out-of-range", "batch_size"),
        (config(ucf), scratch, pair, "conflict", "--device"),
    ):
        with user_error(code, key):
            evaluate(asked, subject, None, tmp_path, world)


def test_advice_on_the_batch_size_names_the_keys_of_both_commands(ucf):
    with pytest.raises(UserError) as raised:
        config(ucf, batch_size=28).describe_data(Evaluated("scratch", None), None)
    assert "--set batch_size=" in str(raised.value)
    assert "--set action.batch_size=" in str(raised.value)
