from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.errors import bad_item, user_error
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yt360.catalog import Catalog, Clip, MediaFile, Verdict
from yt360.catalog.records import STATES

A = "aaaaaaaaaaa"


@pytest.mark.parametrize(
    "bad", ["", "short", "aaaaaaaaaaaa", "../../etc/x", "aaaaa aaaaa", "ä" * 11]
)
def test_what_is_no_id_does_not_get_in(catalog, bad):
    with user_error("invalid", bad):
        catalog.videos.add(bad)


def test_adding_a_known_video_fills_in_facts_and_overwrites_none(catalog):
    assert catalog.videos.add(A, title="first", tags=["x"])
    assert not catalog.videos.add(A, title="second", channel="somebody", view_count=3)
    video = catalog.videos.get(A)
    assert (video.title, video.channel) == ("first", "somebody")
    assert video.facts == {"tags": ["x"], "view_count": 3}
    catalog.videos.update_facts(A, title="third", view_count=4, channel=None)
    video = catalog.videos.get(A)
    assert (video.title, video.channel, video.facts["view_count"]) == ("third", "somebody", 4)


def test_files_verdicts_and_clips_come_back_as_they_were_stored(catalog):
    catalog.videos.add(A)
    files = [
        MediaFile(role="video", path="aa/x.mp4", bytes=5, format_id="134", facts={"length_s": 4}),
        MediaFile(role="sound", path="aa/x.webm", bytes=6),
    ]
    verdicts = [
        Verdict(kind="silence", verdict="pass", numbers={"level_dbfs": -30.5}),
        Verdict(kind="still", verdict="fail", numbers={"share": 1.0, "per": [1, 2]}),
    ]
    clips = [Clip(start_s=3), Clip(start_s=13, kept=False, reason="silent", numbers={"x": 1})]
    for file in files:
        catalog.files.put(A, file)
    catalog.verdicts.put(A, *verdicts)
    catalog.clips.replace(A, *clips)
    assert catalog.files.of(A) == files
    assert list(catalog.verdicts.of(A).values()) == verdicts
    assert catalog.clips.of(A) == clips
    catalog.verdicts.put(A, Verdict(kind="still", verdict="pass"))
    assert catalog.verdicts.of(A)["still"].verdict == "pass"
    catalog.clips.replace(A, *clips[:1])
    assert catalog.clips.of(A) == clips[:1]


def test_no_section_takes_the_place_of_another_that_begins_at_the_same_second(catalog):
    catalog.videos.add(A)
    first = MediaFile(role="both", path="a.mkv", bytes=1, start_s=0, end_s=15)
    catalog.files.put(A, first)
    catalog.files.put(A, replace(first, bytes=2))
    with bad_item("same-start"):
        catalog.files.put(A, MediaFile(role="both", path="b.mkv", bytes=1, start_s=0, end_s=54))
    assert catalog.files.of(A) == [replace(first, bytes=2)]
    whole = MediaFile(role="both", path="whole.mkv", bytes=3)
    catalog.files.put(A, whole)
    assert catalog.files.of(A) == [whole]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "finish", "defer", "clips", "verdict", "split", "requeue"]),
        st.integers(0, 4),
        st.sampled_from(STATES),
    ),
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_counters_equal_what_counting_gives(tmp_path_factory, operations):
    path = tmp_path_factory.mktemp("counters") / "x.catalog"
    with Catalog(path, create=True, clock=lambda: 1000.0) as catalog:
        for number, (what, which, state) in enumerate(operations):
            video_id = f"video{which:06d}"
            catalog.videos.add(video_id)
            claim = None
            if what in ("finish", "defer"):
                claim = catalog.claims.take("download", "w")
            if claim and what == "finish":
                catalog.claims.finish(claim, state, f"reason-{number % 3}", "x")
            elif claim:
                catalog.claims.defer(claim, 0.0, "again", "x")
            elif what == "clips":
                clips = [
                    Clip(start_s=10 * i, duration_s=5 + i, kept=i % 2 == number % 2, reason="loud")
                    for i in range(which)
                ]
                catalog.clips.replace(video_id, *clips)
            elif what == "verdict":
                catalog.verdicts.put(video_id, Verdict(kind="still", verdict=state))
            elif what == "split" and catalog.splits.of(video_id) is None:
                catalog.splits.put([video_id], "train")
            elif what == "requeue":
                catalog.videos.requeue([video_id])
        assert counters(catalog) == counted(catalog)


def counters(catalog):
    return {
        (row["topic"], row["key"]): (row["count"], row["seconds"])
        for row in catalog.connection.execute("SELECT * FROM counters WHERE count <> 0")
    }


def counted(catalog):
    sums = {}
    for topic, key, seconds, table in (
        ("state", "state", "0", "videos"),
        ("reason", "state || '/' || reason", "0", "videos"),
        ("attempt", "job || '/' || outcome", "0", "attempts"),
        ("verdict", "kind || '/' || verdict", "0", "verdicts"),
        (
            "clip",
            "CASE WHEN kept THEN 'kept' ELSE 'dropped/' || reason END",
            "duration_s",
            "clips",
        ),
        (
            "kept_of",
            "CASE WHEN kept THEN state END",
            "clips.duration_s",
            "clips JOIN videos ON videos.number = clips.video",
        ),
        ("split", "split", "0", "splits"),
    ):
        sql = f"SELECT {key}, count(*), sum({seconds}) FROM {table} WHERE {key} NOT NULL GROUP BY 1"
        for name, count, total in catalog.connection.execute(sql):
            sums[topic, name] = (count, total)
    return sums


def test_a_dropped_video_is_rejected_for_good(filled):
    filled.videos.drop(A, "withdrawn")
    assert (filled.videos.get(A).state, filled.videos.get(A).reason) == ("rejected", "withdrawn")
    assert filled.videos.requeue([A]) == 0


def test_a_video_that_is_worked_on_cannot_be_dropped(catalog):
    catalog.videos.add(A)
    catalog.claims.take("download", "w")
    with user_error("in-use", A):
        catalog.videos.drop(A, "withdrawn")
