"""Devices are chosen by name, and refused where the machine has none."""

import os

import pytest
import torch
from helpers.errors import user_error

from yt360.devices import choose_device, usable_cores


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that sets how many GPUs torch finds."""
    return lambda count: monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux has it")
def test_only_cores_that_the_process_may_use_are_counted():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("name", "index", "count", "device"),
    [
        ("auto", 0, 0, "cpu"),
        ("auto", 1, 2, "cuda:1"),
        ("cpu", 1, 2, "cpu"),
        ("cuda", 1, 2, "cuda:1"),
        ("cuda:0", 1, 2, "cuda:0"),
    ],
)
def test_a_device_is_chosen_by_name_and_index(gpus, name, index, count, device):
    gpus(count)
    assert choose_device(name, index) == torch.device(device)


@pytest.mark.parametrize(
    ("name", "index", "code"),
    [
        ("tpu9", 0, "unknown-name"),
        ("meta", 0, "unknown-name"),
        ("cuda:2", 0, "missing"),
        ("cuda", 2, "missing"),
    ],
)
def test_a_device_that_does_not_exist_is_refused(gpus, name, index, code):
    gpus(2)
    with user_error(code, "device"):
        choose_device(name, index)
