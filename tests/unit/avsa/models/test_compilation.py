"""Compiled networks compute what others do, or are refused."""

import shutil
from contextlib import nullcontext

import pytest
import torch
from helpers.errors import user_error

from avsa.models.compilation import compile_errors, compile_network, require_compilable
from avsa.models.compute import ComputeConfig
from avsa.models.conv2d import Conv2DConfig
from avsa.models.encoders import EncodersConfig
from avsa.models.r2plus1d import R2Plus1DConfig
from avsa.tasks.avsa import AvsaConfig
from avsa.training.distributed import World
from avsa.training.gradient_cache import forward_backward_in_parts

ON, GRAPHS = ComputeConfig(compile="on"), ComputeConfig(compile="cuda-graphs")


def found(name):
    return f"/usr/bin/{name}"


def world(device="cpu", ranks=1):
    return World(0, ranks, torch.device(device))


def loss_and_gradients(compute, backend, micro_batches=1):
    """Return loss, gradients, and running statistics of batch norm."""
    torch.manual_seed(0)
    config = EncodersConfig(
        video=R2Plus1DConfig(base_channels=2, num_stages=1, blocks_per_stage=1),
        audio=Conv2DConfig(base_channels=2, num_stages=1),
    )
    encoders, task = config.build(4).train(), AvsaConfig().build(config.feature_dim).train()
    names = set(encoders.state_dict())
    views = torch.randn(4, 2, 3, 2, 8, 8), torch.randn(4, 2, 4, 8, 8)
    directions = torch.nn.functional.normalize(torch.randn(4, 2, 3), dim=-1)

    def loss_of(video, audio):
        return task(*(each[:, None] for each in (video, audio, directions)))

    for network in (encoders, task):
        compile_network(network, compute, backend)
    if micro_batches > 1:
        loss, _ = forward_backward_in_parts(encoders, loss_of, views, nullcontext, micro_batches)
    else:
        loss, _ = loss_of(*encoders(*views))
        loss.backward()
    assert set(encoders.state_dict()) == names
    parameters = [*encoders.parameters(), *task.parameters()]
    gradients = [each.grad for each in parameters if each.grad is not None]
    return loss.detach(), gradients, list(encoders.buffers())


@pytest.mark.parametrize(
    "backend", ["aot_eager", pytest.param("inductor", marks=[pytest.mark.slow])]
)
def test_a_compiled_step_has_the_loss_and_gradients_of_others(backend):
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("there is no compiler here")
    plain = loss_and_gradients(ComputeConfig(), backend)
    compiled = loss_and_gradients(ON, backend)
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)


def test_compiled_parts_of_a_batch_record_the_statistics_of_others():
    plain = loss_and_gradients(ComputeConfig(), "aot_eager", micro_batches=2)
    compiled = loss_and_gradients(ON, "aot_eager", micro_batches=2)
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("compute", "device", "micro_batches", "ranks", "find", "code"),
    [
        (ON, "cpu", 1, 1, lambda _: None, "dependency"),
        (GRAPHS, "cuda", 1, 1, lambda _: None, "dependency"),
        (GRAPHS, "cpu", 1, 1, found, "conflict"),
        (GRAPHS, "cuda", 2, 1, found, "conflict"),
        (GRAPHS, "cuda", 1, 2, found, "conflict"),
    ],
)
def test_what_cannot_be_compiled_is_refused(compute, device, micro_batches, ranks, find, code):
    with user_error(code, "compute.compile"):
        require_compilable(compute, micro_batches, world(device, ranks), find)


@pytest.mark.parametrize(
    ("compute", "device", "micro_batches", "ranks", "find"),
    [
        (ComputeConfig(), "cpu", 4, 2, lambda _: None),
        (ON, "cpu", 4, 2, found),
        (ON, "cuda", 4, 2, found),
        (GRAPHS, "cuda", 1, 1, found),
    ],
)
def test_what_can_be_compiled_is_not_refused(compute, device, micro_batches, ranks, find):
    require_compilable(compute, micro_batches, world(device, ranks), find)


def test_what_the_compiler_cannot_do_is_an_error_that_says_how_to_go_on():
    def broken(graph, inputs):
        raise RuntimeError("no kernel")

    network = compile_network(Conv2DConfig(base_channels=2, num_stages=1).build(4), ON, broken)
    with user_error("unsupported", "compute.compile"), compile_errors(ON):
        network(torch.ones(1, 4, 8, 8))
