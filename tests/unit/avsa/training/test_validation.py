"""Judging held-out clips: the same samples every time, and nothing that training would notice."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avsa.config.recipe import load_config
from avsa.data.clips import open_clips
from avsa.tasks.infonce import view_accuracy
from avsa.training.distributed import World
from avsa.training.validation import Validation
from avsa.views.audio_statistics import measure_statistics

ALONE = World(0, 1, torch.device("cpu"))
TINY = [
    "views.height=16",
    "views.width=16",
    "audio.n_mels=16",
    "encoders.video={base_channels: 2, num_stages: 2, blocks_per_stage: 1}",
    "encoders.audio={base_channels: 2, num_stages: 2}",
    "data.video_duration_s=0.125",
    "stages.avsa.batch_size=4",
]


@pytest.fixture
def setup(tiny_dataset):
    """Return a function that makes a validation over a split, and networks to judge."""

    def make(*overrides, split="train"):
        config = load_config("small", [*TINY, *overrides])
        stats = measure_statistics(tiny_dataset, config.audio, samples=4)
        torch.manual_seed(0)
        encoders = config.encoders.build(config.audio.num_channels)
        task = config.stages["avsa"].task.build(config.encoders.feature_dim)
        clips = open_clips(tiny_dataset, split)
        return Validation(config, "avsa", clips, stats, ALONE), encoders, task

    return make


def test_validation_of_the_same_networks_is_repeatable(setup):
    validation, encoders, task = setup()
    torch.manual_seed(1)
    first = validation.evaluate(encoders, task)
    torch.manual_seed(2)
    assert validation.evaluate(encoders, task) == first
    assert {"val/loss", "val/view_accuracy", "val/loss_v2a"} <= first.keys()


def test_weights_statistics_and_mode_are_left_as_they_were(setup):
    validation, encoders, task = setup()
    before = [value.clone() for value in (*encoders.state_dict().values(), *task.parameters())]
    state = torch.get_rng_state()
    validation.evaluate(encoders, task)
    after = [*encoders.state_dict().values(), *task.parameters()]
    assert all(map(torch.equal, before, after))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in (*encoders.modules(), *task.modules()))


@pytest.mark.parametrize(
    "control", ["views.audio_rotation=random", "views.augment=false", "seed=7"]
)
def test_recipes_are_validated_on_the_same_aligned_samples(setup, control):
    whole, *networks = setup()
    other, *_ = setup(control)
    assert other.evaluate(*networks) == whole.evaluate(*networks)


@pytest.mark.parametrize(("batch_size", "expected"), [(4, [4, 4]), (999, [8])])
def test_every_video_counts_and_a_small_split_makes_small_batches(setup, batch_size, expected):
    validation, encoders, task = setup(f"stages.avsa.batch_size={batch_size}")
    seen = []
    encoders.register_forward_hook(lambda _, views, __: seen.append(len(views[0])))
    validation.evaluate(encoders, task)
    assert seen == expected


def test_the_summary_has_the_main_metric_and_its_chance_level(setup):
    validation, *networks = setup()
    record = validation.evaluate(*networks)
    said = f"view_accuracy {record['val/view_accuracy']:.1%} (chance 25.0%)"
    assert validation.summary(record) == f"validation, 8 videos of train: {said}"
    for recipe, stage, name, value, said in (
        ("avc", "avc", "avc_accuracy", 0.5, "avc_accuracy 50.0% (chance 25.0%)"),
        ("avts", "avts", "view_accuracy", 0.5, "view_accuracy 50.0% (chance 25.0%)"),
        ("avsa-regression", "regression", "rotation_error_deg", 50.0, "rotation error 50.0°"),
    ):
        config = load_config(recipe, [f"stages.{stage}.batch_size=4"])
        other = replace(validation, config=config, stage=stage)
        assert other.summary({f"val/{name}": value}).endswith(f": {said}")


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), views=st.integers(2, 6))
def test_a_network_that_ignores_one_modality_is_right_for_one_view_of_a_clip_at_most(seed, views):
    """Views that follow saliency therefore do not make the task easier."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randn(5, views, 8, generator=generator)
    predictions = torch.randn(5, 1, 8, generator=generator).expand(-1, views, -1)
    assert view_accuracy(predictions, targets).item() == pytest.approx(1 / views)
