import copy
import math

import pytest
import torch

from avsa.training.optimizer import (
    Adam,
    OptimizerConfig,
    build_optimizer,
    learning_rate,
    set_learning_rate,
    step_if,
)

YES, NO = torch.tensor(True), torch.tensor(False)
FUSED = pytest.mark.parametrize("fused", [False, True])
KINDS = pytest.mark.parametrize("kind", ["adam", "adamw"])


def weights():
    generator = torch.Generator().manual_seed(0)
    shapes = (8, 3, 3, 3), (8,), (5, 8)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def set_gradients(parameters, step):
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def literal_adam(parameters, config, steps):
    """Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019) as written, in doubles."""
    values = [parameter.detach().double() for parameter in parameters]
    first = [torch.zeros_like(value) for value in values]
    second = [torch.zeros_like(value) for value in values]
    for step in range(1, steps + 1):
        set_gradients(parameters, step)
        for number, parameter in enumerate(parameters):
            gradient = parameter.grad.double()
            if config.kind == "adam":
                gradient = gradient + config.weight_decay * values[number]
            else:
                values[number] = values[number] * (1 - config.lr * config.weight_decay)
            first[number] = 0.9 * first[number] + 0.1 * gradient
            second[number] = 0.999 * second[number] + 0.001 * gradient**2
            mean, square = first[number] / (1 - 0.9**step), second[number] / (1 - 0.999**step)
            values[number] = values[number] - config.lr * mean / (square.sqrt() + 1e-8)
    return values


@FUSED
@KINDS
def test_updates_are_those_of_the_literal_method(kind, fused):
    config = OptimizerConfig(kind=kind, lr=0.01, weight_decay=0.1)
    parameters = weights()
    optimizer = build_optimizer(parameters, config, fused)
    for step in range(1, 8):
        set_gradients(parameters, step)
        step_if(YES, optimizer)
    expected = literal_adam(weights(), config, 7)
    torch.testing.assert_close([p.double() for p in parameters], expected, rtol=1e-5, atol=1e-6)


@FUSED
@KINDS
@pytest.mark.parametrize("value", [1.0, math.nan])
def test_a_refused_step_changes_no_bit_of_weights_moments_or_step_counts(kind, fused, value):
    parameters = weights()
    optimizer = build_optimizer(parameters, OptimizerConfig(kind=kind), fused)
    for allowed in (YES, NO, YES):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, 1.0 if allowed else value)
        before = copy.deepcopy(([p.detach() for p in parameters], optimizer.state_dict()["state"]))
        step_if(allowed, optimizer)
        after = [p.detach() for p in parameters], optimizer.state_dict()["state"]
        same = all(map(torch.equal, before[0], after[0]))
        counts = {float(state["step"]) for state in after[1].values()}
        if allowed:
            assert not same
        else:
            assert same and counts == {1.0}
            for old, new in zip(before[1].values(), after[1].values(), strict=True):
                assert all(torch.equal(old[name], new[name]) for name in new)
    assert counts == {2.0}


@pytest.mark.parametrize("kinds", [(False, True), (True, False), (True, True)])
def test_another_kind_of_kernel_continues_from_the_state_of_the_first(kinds):
    config, parameters = OptimizerConfig(lr=0.01), weights()
    state = None
    for start, fused in zip((1, 5), kinds, strict=True):
        optimizer = build_optimizer(parameters, config, fused)
        if state is not None:  # as a run that is resumed does
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        for step in range(start, start + 4):
            set_gradients(parameters, step)
            step_if(YES, optimizer)
        state = copy.deepcopy(optimizer.state_dict()["state"])
    expected = literal_adam(weights(), config, 8)
    torch.testing.assert_close([p.double() for p in parameters], expected, rtol=1e-5, atol=1e-6)
    assert {float(each["step"]) for each in state.values()} == {8.0}


def test_the_paper_uses_adam_at_a_constant_rate():
    config = OptimizerConfig()
    optimizer = build_optimizer([torch.nn.Parameter(torch.zeros(1))], config)
    assert isinstance(optimizer, torch.optim.Adam)
    assert not optimizer.param_groups[0]["decoupled_weight_decay"]
    assert optimizer.param_groups[0]["weight_decay"] == 1e-5
    assert {learning_rate(config, step, 10) for step in range(10)} == {1e-4}


def test_warmup_grows_linearly_to_the_rate():
    config = OptimizerConfig(lr=1.0, warmup_steps=4)
    rates = [learning_rate(config, step, 10) for step in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_falls_from_the_rate_to_its_share():
    config = OptimizerConfig(lr=1.0, warmup_steps=2, schedule="cosine", final_lr_fraction=0.1)
    rates = [learning_rate(config, step, 102) for step in range(2, 103)]
    assert rates[0] == 1.0
    assert rates[50] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)


def test_the_rate_reaches_the_weights():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer([weight], OptimizerConfig(kind="adamw", weight_decay=0.0))
    set_learning_rate(optimizer, 0.5)
    weight.grad = torch.ones(1)
    optimizer.step()
    assert weight.item() == pytest.approx(-0.5)


TORCH_KINDS = [
    (torch.optim.Adam, {}),
    (torch.optim.AdamW, {"decoupled_weight_decay": True}),
]


def updated(optimizer, parameters, steps):
    for step in steps:
        optimizer.zero_grad()
        set_gradients(parameters, step)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize(("kind", "options"), TORCH_KINDS)
def test_weights_and_states_are_those_of_torch_to_the_bit(kind, options, fused):
    ours, theirs = weights(), weights()
    common = {"lr": 0.01, "weight_decay": 0.1, "fused": fused}
    optimizer, reference = Adam(ours, **options, **common), kind(theirs, **common)
    got, expected = updated(optimizer, ours, range(5)), updated(reference, theirs, range(5))
    assert all(map(torch.equal, got, expected))
    state, expected_state = optimizer.state_dict(), reference.state_dict()
    assert state["param_groups"] == expected_state["param_groups"]
    assert state["state"].keys() == expected_state["state"].keys()
    for number, moments in expected_state["state"].items():
        assert {name: value.tolist() for name, value in state["state"][number].items()} == {
            name: value.tolist() for name, value in moments.items()
        }


def test_a_state_of_torch_can_be_continued():
    ours, theirs = weights(), weights()
    reference, optimizer = torch.optim.Adam(theirs), Adam(ours)
    updated(reference, theirs, range(3))
    for parameter, other in zip(ours, theirs, strict=True):
        parameter.data.copy_(other.detach())
    optimizer.load_state_dict(copy.deepcopy(reference.state_dict()))
    got, expected = updated(optimizer, ours, range(3, 5)), updated(reference, theirs, range(3, 5))
    assert all(map(torch.equal, got, expected))


def test_an_update_leaves_gradients_enabled_and_needs_none():
    parameters = weights()
    updated(Adam(parameters), parameters, range(1))
    assert torch.is_grad_enabled()
    assert all(parameter.is_leaf for parameter in parameters)
