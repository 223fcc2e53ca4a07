"""The order of use is kept up step by step, and equals what all steps ahead say."""

from random import Random

import pytest

from avsa.data.remote.shard_order import LOOKAHEAD_STEPS, Schedule, ShardOrder

SIZES = dict.fromkeys("abcdef", 10)
ALWAYS = 10**9


def schedule_of(text, first_step=0, limit=ALWAYS):
    """Make a schedule whose steps use the letters of words, and look ahead."""
    words = text.split()
    schedule = Schedule(
        SIZES, lambda step: set(words[step]) if step < len(words) else set(), first_step
    )
    look_ahead(schedule, limit)
    return schedule


def look_ahead(schedule, limit=ALWAYS):
    while schedule.wants_more(limit):
        schedule.add(schedule.next_step, schedule.shards_of_step(schedule.next_step))


def test_the_shard_that_is_used_first_comes_first():
    order = ShardOrder()
    order.add(schedule_of("cb a c"))
    assert order.upcoming() == ["b", "c", "a"]


@pytest.mark.parametrize("seed", range(5))
def test_advancing_equals_starting_there(seed):
    random = Random(seed)
    words = ["".join(random.sample("abcdef", 2)) for _ in range(30)]
    order, going = ShardOrder(), schedule_of(" ".join(words), limit=35)
    order.add(going)
    for step in range(1, len(words)):
        order.advance_to(going, step)
        look_ahead(going, 35)
        anew = ShardOrder()
        anew.add(schedule_of(" ".join(words), step, limit=35))
        # Looking far enough to fill the room once, it knows at least as much.
        soon = anew.upcoming()
        assert order.upcoming()[: len(soon)] == soon


def test_looking_ahead_ends_when_all_is_known():
    assert schedule_of("ab cd ef a b c").next_step == 3  # every shard is known
    assert schedule_of("a b c d e f", limit=25).next_step == 3  # more than there is room for
    assert schedule_of("a b").next_step == 3  # the end
    assert schedule_of("a " * 10**4).next_step == LOOKAHEAD_STEPS


def test_the_course_that_went_on_last_comes_first():
    order, training, validating = ShardOrder(), schedule_of("a b"), schedule_of("c b")
    order.add(training)
    order.add(validating)
    assert order.upcoming() == ["c", "b", "a"]
    order.advance_to(training, 1)
    assert order.upcoming() == ["b", "c"]
    order.remove(validating)
    assert order.upcoming() == ["b"]


def test_shards_without_a_known_use_are_evicted_first_least_recently_used_first():
    order, schedule = ShardOrder(), schedule_of("b a c d")
    order.add(schedule)
    order.advance_to(schedule, 2)
    order.mark_used("b")
    assert order.upcoming() == ["c", "d"]
    assert order.eviction_order("abcdx", order.upcoming()) == ["x", "a", "b", "d", "c"]


def test_steps_that_were_not_looked_at_can_be_skipped():
    schedule = schedule_of("a b c d e f", limit=15)
    schedule.drop_before(4)
    look_ahead(schedule)
    assert sorted(schedule.uses) == ["e", "f"]
