import pytest
import torch

from avsa.training.optimizer import (
    OptimizerConfig,
    build_optimizer,
    learning_rate,
    set_learning_rate,
)


def test_the_paper_uses_adam_at_a_constant_rate():
    config = OptimizerConfig()
    optimizer = build_optimizer([torch.nn.Parameter(torch.zeros(1))], config)
    assert type(optimizer) is torch.optim.Adam
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
