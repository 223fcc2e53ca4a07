"""Training of the networks of evaluations: random draws, epochs, gradients of ranks, bad losses."""

from __future__ import annotations

import torch
from helpers.errors import user_error
from torch import nn

from avsa.evals import fit as fitting
from avsa.evals.fit import Fit, ScheduleConfig, average_gradients
from avsa.training.distributed import World

ALONE = World(0, 1, torch.device("cpu"))


def run(folder, loss_of, name="line", seed=0):
    """Train for two epochs of two steps on the batches 0, 1, 2, 3."""
    network = nn.Linear(1, 1)
    fit = Fit(name, network, ScheduleConfig(epochs=2), 2, seed, ALONE, folder)
    return fit.run(lambda first: (n for n in range(first, 4)), lambda n: loss_of(network, n))


def test_random_draws_depend_on_seed_name_and_step(tmp_path):
    def drawn(folder, **options):
        found = []

        def loss_of(network, _):
            found.append(torch.rand(()).item())
            return network.weight.sum(), {}

        run(tmp_path / folder, loss_of, **options)
        return found

    first = drawn("a")
    assert drawn("b") == first
    others = drawn("c", seed=1) + drawn("d", name="other")
    assert len({*first, *others}) == 12


def test_rows_are_the_means_of_their_epoch(tmp_path):
    rows = run(tmp_path, lambda net, n: (net.weight.sum() * 0 + n, {"x": torch.tensor(10.0 * n)}))
    assert [(row["epoch"], row["loss"], row["x"]) for row in rows] == [(1, 0.5, 5), (2, 2.5, 25)]


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    with user_error("out-of-range", "schedule.lr"):
        run(tmp_path, lambda net, _: (net.weight.sum() * torch.inf, {}))


def test_gradients_are_averaged_over_ranks(monkeypatch):
    """The other rank has gradients three times as large, and one where this rank has none."""
    one, none = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
    one.grad = torch.tensor([1.0, 2.0])
    theirs = torch.tensor([3.0, 6.0, 4.0, 4.0, 4.0])
    monkeypatch.setattr(fitting.dist, "all_reduce", lambda flat: flat.add_(theirs))
    average_gradients([one, none], World(0, 2, ALONE.device))
    assert one.grad.tolist() == [2, 4] and none.grad.tolist() == [2, 2, 2]
