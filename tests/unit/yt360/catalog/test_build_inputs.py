from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.errors import user_error
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from yt360.catalog import Catalog, Clip, MediaFile, Verdict
from yt360.catalog.build_inputs import catalog_inputs, find_all_inputs, media_parts
from yt360.catalog.ids import watch_url
from yt360.clips import TimeRange
from yt360.crawl.sections.planning import plan_sections
from yt360.media.layout.field_gain import FieldGain
from yt360.shards.builder.inputs.input_video import InputVideo

A = "aaaaaaaaaaa"


def starts_of(item: InputVideo) -> tuple[int, ...]:
    """Return where the known clips of an input start."""
    assert item.segments is not None
    return tuple(int(clip.start_s) for clip in item.segments)


def test_an_accepted_video_becomes_an_input_with_its_clips_and_split(filled):
    (item,) = catalog_inputs(filled).videos
    assert (item.video_id, item.split, item.channel) == (A, "test", "UC1")
    assert item.segments == (TimeRange(0, 10.0),)
    assert item.video == filled.media / "aa/a.mp4" and item.companions == (
        filled.media / "aa/a.webm",
    )
    assert item.facts["url"] == watch_url(A)


def test_an_input_has_the_gain_that_the_inspection_measured(filled):
    assert [item.field_gain for item in catalog_inputs(filled).videos] == [None]
    gain = FieldGain(-3.3, (None, -1.8, -3.3, -5.3, -4.8, None), 0.3)
    numbers = {"reason": "w-low", **gain.numbers()}
    filled.verdicts.put(A, Verdict(kind="field-gain", verdict="ok", numbers=numbers))
    assert [item.field_gain for item in catalog_inputs(filled).videos] == [gain]
    damaged = {**numbers, "gain_db": "low"}
    filled.verdicts.put(A, Verdict(kind="field-gain", verdict="ok", numbers=damaged))
    assert [item.field_gain for item in catalog_inputs(filled).videos] == [None]


def test_sections_become_inputs_of_their_own_clips(catalog, accept):
    accept(A)
    for start, end in ((88, 121.0), (8, 40.5)):
        catalog.files.put(
            A, MediaFile(role="both", path=f"aa/{start}.mkv", bytes=1, start_s=start, end_s=end)
        )
    catalog.clips.put(A, *(Clip(start_s=start) for start in (10, 25, 100)))
    assert [part.start_s for part in media_parts(catalog, A)] == [8, 88]
    inputs = catalog_inputs(catalog).videos
    assert [(item.start_s, starts_of(item)) for item in inputs] == [(8, (10, 25)), (88, (100,))]
    assert all(item.companions == () for item in inputs)


@example(starts=[22, 31, 61], gop_s=30)
@settings(max_examples=40)
@given(
    starts=st.lists(st.integers(0, 300), min_size=1, max_size=12, unique=True),
    gop_s=st.integers(1, 60),
)
def test_each_clip_is_cut_from_the_section_that_was_fetched_for_it(starts, gop_s):
    sections = plan_sections(starts, 2000.0)
    assume(sections)
    begins = [begin // gop_s * gop_s for begin, _ in sections]  # of the key frames
    assume(len(set(begins)) == len(begins))
    with TemporaryDirectory() as folder, Catalog(Path(folder) / "my.catalog", create=True) as new:
        new.videos.add(A)
        new.claims.finish(new.claims.take("download", "w"), "accepted")
        for begin, (_, end) in zip(begins, sections, strict=True):
            new.files.put(
                A, MediaFile(role="both", path=f"{end}.mkv", bytes=1, start_s=begin, end_s=end)
            )
        new.clips.put(A, *(Clip(start_s=start, origin="released") for start in starts))
        found = {item.name: starts_of(item) for item in catalog_inputs(new).videos}
    assert found == {
        f"{end}.mkv": tuple(start for start in sorted(starts) if begin <= start < end)
        for begin, end in sections
    }


def test_a_kept_clip_that_no_section_holds_is_left_to_the_build_to_refuse(catalog, accept):
    accept(A)
    for start, end in ((8, 40.5), (88, 121.0)):
        catalog.files.put(
            A, MediaFile(role="both", path=f"aa/{start}.mkv", bytes=1, start_s=start, end_s=end)
        )
    catalog.clips.put(A, *(Clip(start_s=start) for start in (7, 20, 60)))
    segments = [starts_of(item) for item in catalog_inputs(catalog).videos]
    assert sorted(start for each in segments for start in each) == [7, 20, 60]


def test_clips_keep_the_length_that_the_catalog_gives_them(catalog, accept):
    accept(A)
    catalog.files.put(A, MediaFile(role="both", path="aa/a.mkv", bytes=1))
    catalog.clips.put(A, Clip(start_s=0, duration_s=4.0), Clip(start_s=4, duration_s=7.0))
    (item,) = catalog_inputs(catalog).videos
    assert item.segments == (TimeRange(0, 4.0), TimeRange(4, 7.0))


def test_videos_without_a_list_are_cut_anew_into_clips_of_another_length(catalog, accept):
    accept(A)
    catalog.files.put(A, MediaFile(role="both", path="aa/a.mkv", bytes=1))
    catalog.clips.put(A, Clip(start_s=0), Clip(start_s=20))
    assert [item.segments for item in catalog_inputs(catalog, clip_s=5).videos] == [None]
    assert [starts_of(item) for item in catalog_inputs(catalog, clip_s=10).videos] == [(0, 20)]


def test_another_length_than_that_of_a_list_is_refused(catalog, accept):
    accept(A)
    catalog.files.put(A, MediaFile(role="both", path="aa/a.mkv", bytes=1))
    catalog.clips.put(A, Clip(start_s=0, origin="released"))
    with user_error("conflict", "clip_s"):
        catalog_inputs(catalog, clip_s=5)


def test_a_section_without_kept_clips_is_an_input_whose_seconds_count(catalog, accept):
    accept(A)
    for start, end in ((8, 40.5), (88, 121.0)):
        catalog.files.put(
            A, MediaFile(role="both", path=f"aa/{start}.mkv", bytes=1, start_s=start, end_s=end)
        )
    catalog.clips.put(A, Clip(start_s=10), Clip(start_s=100, kept=False, reason="silent"))
    assert [starts_of(item) for item in catalog_inputs(catalog).videos] == [(10,), ()]


def test_a_catalog_without_accepted_videos_says_what_to_do(catalog):
    catalog.videos.add(A)
    with user_error("empty"):
        catalog_inputs(catalog)
    catalog.claims.finish(catalog.claims.take("download", "w"), "downloaded")
    with user_error("empty"):
        catalog_inputs(catalog)


def test_accepted_videos_without_media_are_named(filled):
    filled.videos.add(C := "ccccccccccc")
    filled.claims.finish(filled.claims.take("download", "w"), "accepted")
    assert catalog_inputs(filled).without_media == (C,)
    assert find_all_inputs([filled.path]).without_media == (C,)


def test_a_catalog_whose_media_are_gone_is_refused(catalog, accept):
    accept(A)
    with user_error("missing", catalog.media):
        catalog_inputs(catalog)


def test_what_is_stated_of_a_video_goes_with_it_and_can_be_taken_back(filled):
    for stated in (("n3d", None), (None, "eac"), (None, None)):
        filled.videos.state_media(A, *stated)
        (item,) = catalog_inputs(filled).videos
        assert (item.audio_layout, item.projection) == stated


def test_catalogs_and_folders_can_be_built_together(filled, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "own.mp4").write_bytes(b"x")
    found = find_all_inputs([filled.path, tmp_path / "more"])
    assert sorted(item.video_id for item in found.videos) == [A, "own"]
