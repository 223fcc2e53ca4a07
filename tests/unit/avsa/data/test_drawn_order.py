"""The order of testing."""

from __future__ import annotations

from avsa.data.drawn_order import DrawnOrder


def test_every_clip_is_drawn_equally_often():
    order = DrawnOrder(num_clips=5, draws=3, batch_size=4)
    samples = [draw for step in range(len(order) + 2) for draw in order.batch(step)]
    assert [draw.position for draw in samples] == list(range(15))
    assert [draw.clip for draw in samples] == 3 * list(range(5))
    some = DrawnOrder(5, 3, 4, steps=[3, 1])
    assert [some.batch(step) for step in range(3)] == [order.batch(3), order.batch(1), []]
