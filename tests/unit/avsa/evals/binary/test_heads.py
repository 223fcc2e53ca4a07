"""The heads, their loss and their decisions, against literal versions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.made_features import ALONE, DIM, noise

from avsa.data.order import Draw
from avsa.evals.binary.avc_bin import AvcBinConfig
from avsa.evals.binary.heads import SEES, Heads, decide
from avsa.evals.fit import Fit, ScheduleConfig


def test_heads_have_the_paper_s_size():
    for head in Heads(512, 0).values():
        count = sum(each.numel() for each in head.parameters())
        assert count == 1024 * 512 + 512 + 512 * 2 + 2


def literal_logits(weights, video, audio):
    """Logits (P, K, 2) in float64, view by view."""
    hidden_weight, hidden_bias, weight, bias = weights
    logits = torch.zeros(*video.shape[:2], 2, dtype=torch.float64)
    for p in range(video.shape[0]):
        for k in range(video.shape[1]):
            hidden = hidden_weight @ torch.cat([video[p, k], audio[p, k]]) + hidden_bias
            logits[p, k] = weight @ torch.where(hidden > 0, hidden, 0) + bias
    return logits


def literal_step(weights, logits_of, labels, lr, weight_decay):
    """The first step of Adam with weight decay on the mean cross-entropy of all views."""
    weights = [each.detach().clone().requires_grad_() for each in weights]
    logits, losses = logits_of(weights), []
    for p, label in enumerate(labels.tolist()):
        for k in range(logits.shape[1]):
            exp = logits[p, k].exp()
            losses.append(-torch.log(exp[label] / exp.sum()))
    loss = sum(losses) / len(losses)
    gradients = [g + weight_decay * w for g, w in
                 zip(torch.autograd.grad(loss, weights), weights, strict=True)]  # fmt: skip
    # Bias correction cancels the decay of both moments in the first step.
    return loss, [w - lr * g / (g.abs() + 1e-8) for w, g in zip(weights, gradients, strict=True)]


@pytest.mark.parametrize("name", list(SEES))
def test_a_step_of_training_is_the_literal_one(name, tmp_path):
    drawn = np.random.default_rng(3)
    video, audio = (noise(drawn, 6).double() for _ in range(2))
    pairs = AvcBinConfig().training_pairs(video, audio, [Draw(i, 0, i) for i in range(6)], drawn)
    heads = Heads(DIM, 0).double()
    before = [each.clone() for each in heads[name].parameters()]
    schedule = ScheduleConfig(epochs=1, lr=0.01, weight_decay=0.1)
    rows = Fit("step", heads, schedule, 1, 0, ALONE, tmp_path).run(
        lambda _: (each for each in [pairs]), heads.loss
    )
    seen = [each if sees else torch.zeros_like(each)
            for each, sees in zip((pairs.video, pairs.audio), SEES[name], strict=True)]  # fmt: skip
    loss, after = literal_step(
        before, lambda weights: literal_logits(weights, *seen), pairs.labels, 0.01, 0.1
    )
    for ours, expected in zip(heads[name].parameters(), after, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)
    if name == "accuracy":
        assert rows[0]["loss"] == pytest.approx(loss.item(), rel=1e-12)
    hits = literal_logits(before, *seen).mean(1).argmax(-1) == pairs.labels
    assert rows[0][name] == hits.double().mean().item()


def test_logits_are_averaged_over_views_before_the_decision():
    # Two views say 1 by a little, one says 0 by a lot: votes and mean probabilities would say 1.
    logits = torch.tensor([[0.0, 2.0], [0.0, 2.0], [9.0, 0.0]])
    assert decide(torch.stack([logits, logits.flip(-1)])).tolist() == [0, 1]
