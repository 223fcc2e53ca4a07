from __future__ import annotations

import random

from yt360.execution.ordered import in_task_order


def test_results_have_the_order_of_their_tasks_whatever_theirs_was():
    tasks = [[number // 2] for number in range(40)]  # equal in pairs, and not hashable
    results = [(task, number) for number, task in enumerate(tasks)]
    random.Random(0).shuffle(results)
    assert list(in_task_order(tasks, results)) == [(task, n) for n, task in enumerate(tasks)]


def test_a_result_is_yielded_as_soon_as_the_earlier_ones_are_known():
    tasks, given = ["a", "b", "c"], []

    def results():
        for task in ("b", "a", "c"):
            given.append(task)
            yield task, task.upper()

    found = [(pair, len(given)) for pair in in_task_order(tasks, results())]
    assert found == [(("a", "A"), 2), (("b", "B"), 2), (("c", "C"), 3)]
