"""Workers on Ray, with a cluster that runs in this process."""

from __future__ import annotations

import socket
from collections import deque

import pytest
from helpers.errors import user_error
from helpers.fake_ray import FakeRay

from yt360.execution.engines.ray_pool import (
    MAX_FAILED_STARTS,
    RayConfig,
    RayPool,
    open_pool,
    require_listener,
    token_mode,
)
from yt360.execution.executor import MAX_LOSSES


def pool(ray: FakeRay, workers: int = 3, **options) -> RayPool:
    return RayPool(ray, workers, None, RayConfig(**options))


def test_each_task_gives_its_result_with_fewer_places_than_workers():
    with pool(FakeRay(places=1)) as opened:
        assert dict(opened.run(abs, deque(range(-9, 0)))) == {n: -n for n in range(-9, 0)}
        assert dict(opened.run(str, deque([1]))) == {1: "1"}


def test_tasks_may_be_added_while_others_run():
    tasks, seen = deque([3]), []
    with pool(FakeRay()) as opened:
        for task, result in opened.run(abs, tasks):
            seen.append(result)
            tasks.extend([task - 1] * (task > 0))
    assert seen == [3, 2, 1, 0]


def test_workers_that_end_cost_no_task_and_are_replaced():
    deaths = {-1: 1, -4: MAX_LOSSES - 1}

    def dies(task):
        deaths[task] = deaths.get(task, 0) - 1
        return deaths[task] >= 0

    ray = FakeRay(dies=dies)
    with pool(ray) as opened:
        assert dict(opened.run(abs, deque(range(-9, 0)))) == {n: -n for n in range(-9, 0)}
    assert len(ray.actors) > MAX_LOSSES
    assert not any(actor.is_alive for actor in ray.actors)


def test_a_task_under_which_every_worker_ends_stops_the_run():
    ray = FakeRay(dies=lambda task: task == -2)
    with pool(ray) as opened, user_error("system"):
        list(opened.run(abs, deque([-1, -2, -3])))
    assert len(ray.actors) <= MAX_LOSSES + 3


def test_workers_that_end_when_they_start_stop_the_run():
    with pool(FakeRay(starts=lambda _: False)) as opened, user_error("dependency"):
        list(opened.run(abs, deque([1])))


def test_workers_that_end_when_they_start_are_no_matter_while_another_works():
    ray = FakeRay(places=9, starts=lambda number: number == 0)
    with pool(ray) as opened:
        assert dict(opened.run(abs, deque(range(-9, 0)))) == {n: -n for n in range(-9, 0)}
    assert len(ray.actors) > MAX_FAILED_STARTS


def test_a_cluster_without_a_place_stops_the_run():
    with pool(FakeRay(places=0), start_timeout_s=0.01) as opened, user_error("system"):
        list(opened.run(abs, deque([1])))


def test_an_error_of_the_function_reaches_the_caller():
    with pool(FakeRay()) as opened, pytest.raises(ZeroDivisionError):
        list(opened.run(eval, deque(["1 / 0"])))


def test_workers_get_the_resources_of_the_configuration():
    ray = FakeRay()
    pool(ray, cpus=2.0, gpus=0.5, memory_gb=3.0, env={"A": "b"}, resources={"media": 1.0})
    environment = ray.chosen.pop("runtime_env")["env_vars"]
    assert environment["A"] == "b" and environment["PYTHONPATH"]
    assert ray.chosen == {
        "num_cpus": 2.0,
        "num_gpus": 0.5,
        "memory": 3 * 10**9,
        "resources": {"media": 1.0},
        "max_restarts": 0,
        "scheduling_strategy": "SPREAD",
    }


def test_an_address_where_nothing_listens_is_refused_at_once():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ConnectionRefusedError):
            require_listener(address)
        listener.listen()
        for each in (address, f"ray://{address}", "auto", "cluster"):
            require_listener(each)
    with user_error("network", "--executor"):
        open_pool(address, RayConfig(), 1, None).__enter__()


def test_a_token_is_sent_where_there_is_one_unless_the_user_decides(tmp_path):
    chosen = {"RAY_AUTH_MODE": "token"}
    assert token_mode({}, tmp_path) == {}
    assert token_mode({"RAY_AUTH_TOKEN": "x"}, tmp_path) == chosen
    assert token_mode({"RAY_AUTH_TOKEN_PATH": "x"}, tmp_path) == chosen
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("x")
    assert token_mode({}, tmp_path) == chosen
    assert token_mode({"RAY_AUTH_MODE": "disabled"}, tmp_path) == {}
