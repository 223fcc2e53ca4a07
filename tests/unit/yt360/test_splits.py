from __future__ import annotations

from yt360.splits import PAPER_TEST_FRACTION, split_of

GOLDEN_TESTS = [f"-video{number}" for number in (3, 10, 15, 19, 26, 30, 35)]
IDS = [f"-video{number}" for number in range(4000)]


def test_the_share_of_test_is_about_what_was_asked() -> None:
    tests = sum(split_of(each) == "test" for each in IDS)
    spread = (len(IDS) * PAPER_TEST_FRACTION * (1 - PAPER_TEST_FRACTION)) ** 0.5
    assert abs(tests - len(IDS) * PAPER_TEST_FRACTION) < 4 * spread


def test_a_larger_fraction_only_moves_videos_from_train_to_test() -> None:
    small = {each for each in IDS if split_of(each, 0.1) == "test"}
    large = {each for each in IDS if split_of(each, 0.3) == "test"}
    assert small < large


def test_the_ends_of_the_range_are_exact() -> None:
    assert {split_of(each, 0.0) for each in IDS} == {"train"}
    assert {split_of(each, 1.0) for each in IDS} == {"test"}


def test_another_salt_gives_an_independent_split() -> None:
    one = {each for each in IDS if split_of(each, 0.5) == "test"}
    other = {each for each in IDS if split_of(each, 0.5, salt="again") == "test"}
    assert 0.4 < len(one & other) / len(one) < 0.6


def test_the_split_of_known_ids_never_changes() -> None:
    tests = [each for each in IDS[:40] if split_of(each) == "test"]
    assert tests == GOLDEN_TESTS
