from __future__ import annotations

from helpers.errors import user_error

from avsa.data.order import Draw, DrawnOrder, SequentialOrder, rank_part


def test_a_batch_that_ranks_cannot_share_is_refused():
    with user_error("conflict", "batch_size"):
        rank_part([Draw(0, 0, 0)] * 12, 0, 5)


def test_a_sequential_order_visits_every_clip_once_in_order():
    order = SequentialOrder(10, 4)
    batches = []
    while batch := order.batch(len(batches)):
        batches.append(batch)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [draw.clip for batch in batches for draw in batch] == list(range(10))
    assert list(order.replacements(batches[0][0])) == []


def test_every_clip_is_drawn_equally_often():
    order = DrawnOrder(num_clips=5, draws=3, batch_size=4)
    samples = [draw for step in range(len(order) + 2) for draw in order.batch(step)]
    assert [draw.position for draw in samples] == list(range(15))
    assert [draw.clip for draw in samples] == 3 * list(range(5))
    some = DrawnOrder(5, 3, 4, steps=[3, 1])
    assert [some.batch(step) for step in range(3)] == [order.batch(3), order.batch(1), []]
