"""The order of use is kept up step by step, and equals what all steps ahead say."""

from random import Random

import pytest

from avsa.data.remote.shard_order import LOOKAHEAD_STEPS, Course, OrderOfUse

SIZES = dict.fromkeys("abcdef", 10)
ALWAYS = 10**9


def course_of(text, first_step=0, limit=ALWAYS):
    """Make a course whose steps use the letters of words, and look ahead."""
    words = text.split()
    course = Course(
        SIZES, lambda step: set(words[step]) if step < len(words) else set(), first_step
    )
    look_ahead(course, limit)
    return course


def look_ahead(course, limit=ALWAYS):
    while course.wants_more(limit):
        course.add(course.next_step, course.shards_of_step(course.next_step))


def test_what_is_used_soonest_comes_first():
    order = OrderOfUse()
    order.begin(course_of("cb a c"))
    assert order.upcoming() == ["b", "c", "a"]


@pytest.mark.parametrize("seed", range(5))
def test_going_on_equals_starting_there(seed):
    random = Random(seed)
    words = ["".join(random.sample("abcdef", 2)) for _ in range(30)]
    order, going = OrderOfUse(), course_of(" ".join(words), limit=35)
    order.begin(going)
    for step in range(1, len(words)):
        order.at_step(going, step)
        look_ahead(going, 35)
        anew = OrderOfUse()
        anew.begin(course_of(" ".join(words), step, limit=35))
        # Looking far enough to fill the room once, it knows at least as much.
        soon = anew.upcoming()
        assert order.upcoming()[: len(soon)] == soon


def test_looking_ahead_ends_when_there_is_nothing_more_to_know():
    assert course_of("ab cd ef a b c").next_step == 3  # every shard is known
    assert course_of("a b c d e f", limit=25).next_step == 3  # more than there is room for
    assert course_of("a b").next_step == 3  # the end
    assert course_of("a " * 10**4).next_step == LOOKAHEAD_STEPS


def test_the_course_that_went_on_last_comes_first():
    order, training, judging = OrderOfUse(), course_of("a b"), course_of("c b")
    order.begin(training)
    order.begin(judging)
    assert order.upcoming() == ["c", "b", "a"]
    order.at_step(training, 1)
    assert order.upcoming() == ["b", "c"]
    order.end(judging)
    assert order.upcoming() == ["b"]


def test_what_has_no_known_use_goes_first_and_of_that_what_was_used_longest_ago():
    order, course = OrderOfUse(), course_of("b a c d")
    order.begin(course)
    order.at_step(course, 2)
    order.used("b")
    assert order.upcoming() == ["c", "d"]
    assert order.first_to_go("abcdx", order.upcoming()) == ["x", "a", "b", "d", "c"]


def test_skipping_steps_that_were_never_looked_at_is_fine():
    course = course_of("a b c d e f", limit=15)
    course.drop_before(4)
    look_ahead(course)
    assert sorted(course.uses) == ["e", "f"]
