from __future__ import annotations

from helpers.errors import user_error

A, B = "aaaaaaaaaaa", "-b_bbbbbbbb"


def test_splits_follow_the_channel_and_never_change(catalog, accept):
    ids = [f"video{number:06d}" for number in range(40)]
    for number, video_id in enumerate(ids):
        accept(video_id, channel_id=f"channel-{number // 4}")
    assert catalog.splits.assign(0.3) == 40
    splits = {video_id: catalog.splits.of(video_id) for video_id in ids}
    assert set(splits.values()) == {"train", "test"}
    for first in range(0, 40, 4):
        assert len({splits[video_id] for video_id in ids[first : first + 4]}) == 1
    more = [f"later{number:06d}" for number in range(20)]
    for number, video_id in enumerate(more):
        accept(video_id, channel_id=f"channel-{number}")
    catalog.splits.assign(0.9)
    assert {video_id: catalog.splits.of(video_id) for video_id in ids} == splits
    assert all(catalog.splits.of(more[n]) == splits[ids[4 * n]] for n in range(10))


def test_a_new_video_of_a_released_test_channel_is_tested_too(catalog, accept):
    for video_id in (A, B):
        accept(video_id, channel_id="one")
    catalog.splits.put([A], "test")
    catalog.splits.assign(0.0)
    assert catalog.splits.of(B) == "test"


def test_duplicates_share_a_split_across_channels(catalog, accept):
    ids = [f"video{number:06d}" for number in range(12)]
    for number, video_id in enumerate(ids):
        accept(video_id, channel_id=f"channel-{number}")
    catalog.splits.put(ids[:1], "test")
    catalog.splits.assign(0.0, duplicates=((ids[0], ids[1]), (ids[2], ids[1])))
    assert [catalog.splits.of(video_id) for video_id in ids[:4]] == [*3 * ["test"], "train"]
    assert catalog.splits.assign(0.0, "video", duplicates=((ids[0], ids[5]),)) == 0


def test_only_accepted_videos_get_a_split(catalog):
    catalog.videos.add(A)
    assert catalog.splits.assign() == 0


def test_a_video_cannot_be_in_two_splits(catalog):
    catalog.videos.add(A)
    catalog.splits.put([A], "train")
    assert catalog.splits.put([A], "train") == 0
    with user_error("conflict", A):
        catalog.splits.put([A], "test")
