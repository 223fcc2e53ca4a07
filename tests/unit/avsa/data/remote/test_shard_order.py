"""A schedule is kept up step by step, and equals what all steps ahead say."""

from random import Random

import pytest

from avsa.data.remote.shard_order import LOOKAHEAD_STEPS, Schedule

SIZES = dict.fromkeys("abcdef", 10)
ALWAYS = 10**9


def schedule_of(text, first_step=0, asked=None):
    """Make a schedule whose steps use the letters of words; it notes the steps that are asked."""
    words = text.split()

    def shards_of_step(step):
        if asked is not None:
            asked.append(step)
        return set(words[step]) if step < len(words) else set()

    return Schedule(SIZES, shards_of_step, first_step)


def test_the_shard_that_is_used_first_comes_first():
    assert schedule_of("cb a c").upcoming(ALWAYS) == ["b", "c", "a"]


@pytest.mark.parametrize("seed", range(5))
def test_advancing_equals_starting_there(seed):
    random = Random(seed)
    text = " ".join("".join(random.sample("abcdef", 2)) for _ in range(30))
    going = schedule_of(text)
    for step in range(1, 30):
        going.step = step
        # Looking far enough to fill the room once, it knows at least as much.
        soon = schedule_of(text, step).upcoming(35)
        assert going.upcoming(35)[: len(soon)] == soon


@pytest.mark.parametrize(
    ("text", "limit", "last"),
    [
        ("ab cd ef a b c", ALWAYS, 2),  # every shard is known
        ("a b c d e f", 25, 2),  # more than there is room for
        ("a b", ALWAYS, 2),  # the end
        ("a " * 10**4, ALWAYS, LOOKAHEAD_STEPS - 1),
    ],
)
def test_looking_ahead_ends_when_all_is_known(text, limit, last):
    asked = []
    schedule_of(text, asked=asked).upcoming(limit)
    assert asked == list(range(last + 1))


def test_steps_are_asked_for_once():
    asked = []
    schedule = schedule_of("ab b c d e f", asked=asked)
    for schedule.step in range(3):
        schedule.upcoming(25)
    assert asked == sorted(set(asked))


def test_steps_that_were_not_looked_at_can_be_skipped():
    schedule = schedule_of("a b c d e f")
    schedule.upcoming(15)
    schedule.step = 4
    assert schedule.upcoming(ALWAYS) == ["e", "f"]


def test_a_closed_schedule_looks_no_further():
    asked = []
    schedule = schedule_of("a b", asked=asked)
    schedule.closed = True
    assert schedule.upcoming(ALWAYS) == asked == []
