from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
import torch

from avsa.config.recipe import load_config
from avsa.data.clip_window import WindowShape
from avsa.models.compute import ComputeConfig
from avsa.models.repeatability import TOLERANCE, is_repeatable
from avsa.training.distributed import World
from avsa.training.learner import is_plausible
from avsa.training.repeatability import recorded_config, repeatable_compute, small_step

CPU = World(0, 1, torch.device("cpu"))
PLAIN = ComputeConfig(bfloat16="off", channels_last="off")
BOTH = ComputeConfig(bfloat16="on", channels_last="on")
SHAPE = WindowShape(num_frames=2, num_samples=24000, fps=16, sample_rate_hz=24000)
TINY = [
    "views.height=16",
    "views.width=16",
    "audio.n_mels=16",
    "audio.hop_length=480",
    "encoders.video={base_channels: 4, num_stages: 2, blocks_per_stage: 1}",
    "encoders.audio={base_channels: 4, num_stages: 2}",
]


def broken(*combinations):
    """Return a step that gives another gradient each time under some options."""
    calls = count()

    def step(compute):
        if (compute.bfloat16, compute.channels_last) in combinations:
            return [torch.ones(4), torch.full((2, 2), 1 + next(calls) * 1e-7)]
        return [torch.ones(4), torch.ones(2, 2)]

    return step


@pytest.mark.parametrize(
    ("combinations", "expected"),
    [
        ([], ("on", "on")),
        ([("on", "on")], ("on", "off")),
        ([("on", "on"), ("on", "off")], ("off", "on")),
        ([("on", "on"), ("on", "off"), ("off", "on")], ("off", "off")),
    ],
)
def test_the_nearest_options_that_repeat_are_taken(combinations, expected):
    compute, warning = repeatable_compute(BOTH, CPU, broken(*combinations))
    assert (compute.bfloat16, compute.channels_last) == expected
    changed = [
        f"compute.{name}=off"
        for name, value in zip(("bfloat16", "channels_last"), expected, strict=True)
        if value == "off"
    ]
    assert (warning or "").endswith(" and ".join(changed)) and (warning is None) == (not changed)


@pytest.mark.parametrize("wrong", [math.nan, 1e35, 1 + 2 * TOLERANCE])
def test_gradients_that_repeat_but_are_wrong_do_not_count(wrong):
    assert not is_repeatable(lambda _: [torch.full((3,), wrong)], BOTH, lambda: [torch.ones(3)])


def test_gradients_as_far_off_as_those_of_the_full_networks_in_bfloat16_count():
    assert is_repeatable(lambda _: [torch.full((3,), 1.53)], BOTH, lambda: [torch.ones(3)])


def test_the_step_in_float32_is_computed_once_for_all_options():
    computed, broken_step = [], broken(("on", "on"), ("on", "off"))

    def step(compute):
        computed.append(compute)
        return broken_step(compute)

    compute, _ = repeatable_compute(BOTH, CPU, step)
    assert (compute.bfloat16, compute.channels_last) == ("off", "on")
    assert computed.count(PLAIN) == 1


@pytest.mark.parametrize(
    ("compute", "device", "units"),
    [
        (ComputeConfig(), "cpu", False),
        (ComputeConfig(bfloat16="off"), "cpu", True),
        (PLAIN, "cpu", True),
        (BOTH, "cuda", True),
    ],
)
def test_what_has_nothing_to_fall_back_to_is_not_tried(compute, device, units):
    def step(compute):
        raise AssertionError("no step is needed")

    world = World(0, 1, torch.device(device))
    assert repeatable_compute(compute, world, step, lambda: units) == (compute, None)


@pytest.mark.parametrize(
    ("combinations", "expected"),
    [
        ([], ("on", "on")),
        ([("on", "on")], ("on", "auto")),
        ([("on", "on"), ("on", "auto")], ("auto", "auto")),
    ],
)
def test_a_cpu_with_units_computes_in_bfloat16_without_being_asked_if_it_repeats_a_step(
    combinations, expected
):
    compute, warning = repeatable_compute(ComputeConfig(), CPU, broken(*combinations), lambda: True)
    assert (compute.bfloat16, compute.channels_last) == expected and warning is None


def test_a_checkpoint_keeps_auto_for_other_machines_and_what_was_turned_off():
    wanted = load_config("avsa", ["compute.channels_last=on"])
    used = replace(wanted, compute=replace(wanted.compute, bfloat16="on", channels_last="off"))
    compute = recorded_config(wanted, used).compute
    assert (compute.bfloat16, compute.channels_last) == ("auto", "off")


@pytest.mark.parametrize("recipe", ["avc", "avts", "avsa", "avsa-regression"])
def test_a_small_step_has_gradients_for_every_stage_and_leaves_randomness_alone(recipe):
    config = load_config(recipe, TINY)
    before = torch.get_rng_state()
    for stage in config.stages:
        first, second = (small_step(config, stage, SHAPE, PLAIN) for _ in range(2))
        assert first and all(map(torch.equal, first, second))
        assert any(gradient.any() for gradient in first)
    assert torch.equal(torch.get_rng_state(), before)


def test_rounding_to_bfloat16_is_no_fault():
    step = partial(small_step, load_config("avsa", TINY), "avsa", SHAPE)
    reference, rounded = step(PLAIN), step(ComputeConfig(bfloat16="on"))
    error, length = (
        torch.nn.utils.get_total_norm(each)
        for each in ([a - b for a, b in zip(rounded, reference, strict=True)], reference)
    )
    assert 0 < error < TOLERANCE * length


@pytest.mark.parametrize(
    ("loss", "gradient_norm", "weight_norm", "expected"),
    [
        (5.0, 3.0, 100.0, True),
        (5.0, 0.0, 100.0, True),
        (0.01, 1e4, 100.0, True),
        (5.0, 1e10, 100.0, False),
        (5.0, 1e35, 1.0, False),
        (5.0, math.inf, 100.0, False),
        (5.0, math.nan, 100.0, False),
        (math.nan, 3.0, 100.0, False),
        (math.inf, 3.0, 100.0, False),
    ],
)
def test_gradients_are_plausible_if_rounding_the_weights_changes_the_loss_little(
    loss, gradient_norm, weight_norm, expected
):
    scalars = map(torch.tensor, (loss, gradient_norm, weight_norm))
    assert is_plausible(*scalars).item() is expected
