"""Choosing formats: player answers as YouTube shapes them, through yt-dlp's own extraction."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.errors import bad_item

from yt360.crawl.download.config import TransferOptions
from yt360.crawl.download.fetch import Fetcher
from yt360.crawl.download.plan import Selection
from yt360.crawl.search.filters import Filters
from yt360.crawl.youtube.format_table import explain
from yt360.crawl.youtube.formats import Target, choose, is_large_enough

VIDEO = "-abcdefghi_"
STEREO = [
    {"itag": 140, "mime": "audio/mp4; mp4a.40.2", "audioChannels": 2, "bitrate": 130000},
    {"itag": 251, "mime": "audio/webm; opus", "audioChannels": 2, "bitrate": 140000},
]
QUAD = {
    "itag": 338,
    "mime": "audio/webm; opus",
    "audioChannels": 4,
    "bitrate": 480000,
    "spatialAudioType": "SPATIAL_AUDIO_TYPE_AMBISONICS_QUAD",
}
AAC_AMBISONIC = {
    "itag": 258,
    "mime": "audio/mp4; mp4a.40.2",
    "audioChannels": 6,
    "bitrate": 390000,
    "spatialAudioType": "SPATIAL_AUDIO_TYPE_AMBISONICS_5_1",
}
HEAD_LOCKED = {
    "itag": 339,
    "mime": "audio/webm; opus",
    "audioChannels": 6,
    "bitrate": 600000,
    "spatialAudioType": "SPATIAL_AUDIO_TYPE_FOA_WITH_NON_DIEGETIC",
}
FILM_5_1 = [
    {"itag": 258, "mime": "audio/mp4; mp4a.40.2", "audioChannels": 6, "bitrate": 390000},
    {"itag": 380, "mime": "audio/mp4; ac-3", "audioChannels": 6, "bitrate": 384000},
]


def pictures(projection, ratio=2.0):
    """The usual ladder of a video: H.264 and VP9, 144 to 1440 rows of a 16:9 frame."""
    ladder = [(160, 144), (133, 240), (134, 360), (135, 480), (136, 720)]
    vp9 = [(243, 360), (247, 720), (271, 1440)]
    return [
        {
            "itag": itag,
            "mime": "video/mp4; avc1.4d401e" if (itag, rows) in ladder else "video/webm; vp9",
            "width": rows * 16 // 9,
            "height": round(rows * 16 / 9 / ratio),
            "fps": 30,
            "bitrate": rows * 1500,
            "qualityLabel": f"{rows}p",
            "projectionType": projection,
        }
        for itag, rows in [*ladder, *vp9]
    ]


@pytest.fixture
def describe(youtube, make_client, client_options, limiter, tmp_path):
    """Return a function that puts a video on the server and has it described."""

    def ask(formats, target=None, filters=None, **details):
        entries = []
        for form in formats:
            kind, codec = form["mime"].split("; ")
            rest = {key: value for key, value in form.items() if key != "mime"}
            url = f"https://rr1.googlevideo.com/videoplayback?itag={form['itag']}"
            entries.append({**rest, "mimeType": f'{kind}; codecs="{codec}"', "url": url})
        youtube.add_video(VIDEO, entries, duration_s=120, **details)
        wanted = Selection(target=target or Target(), filters=filters or Filters())
        fetcher = Fetcher(
            client_options, wanted, TransferOptions(), limiter, threading.Event(), make_client
        )
        url = f"https://www.youtube.com/watch?v={VIDEO}"
        try:
            facts = fetcher.describe(VIDEO, url, Path(tmp_path))
        except Exception as error:
            failure = fetcher.failure(error)
            return f"{failure.kind.value}: {failure.reason}"
        return facts["format_ids"]

    return ask


EQUIRECTANGULAR = pictures("EQUIRECTANGULAR")
FLAT = pictures("RECTANGULAR", ratio=16 / 9)
MESH = pictures("MESH", ratio=16 / 9)


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        pytest.param([*EQUIRECTANGULAR, *STEREO], "unsuitable: no-spatial-audio", id="stereo"),
        pytest.param([*EQUIRECTANGULAR, *STEREO, QUAD], "134+338", id="quad"),
        pytest.param([*EQUIRECTANGULAR, *STEREO, AAC_AMBISONIC], "134+258", id="aac"),
        pytest.param([*EQUIRECTANGULAR, AAC_AMBISONIC, QUAD, *STEREO], "134+338", id="both"),
        pytest.param([*EQUIRECTANGULAR, AAC_AMBISONIC, HEAD_LOCKED], "134+339", id="head-locked"),
        pytest.param([*MESH, *STEREO, QUAD], "134+338", id="eac only"),
        pytest.param([*EQUIRECTANGULAR, *FILM_5_1], "unsuitable: no-spatial-audio", id="360 film"),
        pytest.param([*FLAT, *STEREO, *FILM_5_1], "unsuitable: not-360", id="5.1 film"),
        pytest.param([*FLAT, *STEREO, QUAD], "unsuitable: not-360", id="flat ambisonic"),
        pytest.param([*STEREO, QUAD], "unsuitable: no-picture", id="sound only"),
    ],
)
def test_the_choice_on_each_kind_of_video(describe, formats, expected):
    assert describe(formats) == expected
    assert describe(formats[::-1]) == expected, "the order of the list makes no difference"


def test_equirectangular_is_taken_before_a_cubemap_that_is_nearer_in_size(describe):
    large = [form for form in EQUIRECTANGULAR if form["itag"] == 271]
    cubemaps = [form for form in MESH if form["itag"] != 271]
    assert describe([*cubemaps, *large, QUAD]) == "271+338"


@pytest.mark.parametrize(
    ("height", "itag"), [(64, 160), (160, 133), (320, 134), (330, 135), (640, 136), (1280, 271)]
)
def test_the_smallest_picture_that_feeds_the_output_is_taken(describe, height, itag):
    assert describe([*EQUIRECTANGULAR, QUAD], Target(height=height)) == f"{itag}+338"


def test_the_largest_picture_is_taken_when_none_is_enough(describe):
    small = [form for form in EQUIRECTANGULAR if form["height"] <= 320]
    assert describe([*small, QUAD], Target(height=2000)) == "134+338"


def test_a_3d_picture_must_have_twice_the_rows(describe):
    formats = pictures("EQUIRECTANGULAR_THREED_TOP_BOTTOM", ratio=1.0)
    assert describe([*formats, QUAD]) == "134+338"
    squeezed = pictures("EQUIRECTANGULAR_THREED_TOP_BOTTOM", ratio=2.0)
    assert describe([*squeezed, QUAD]) == "136+338"


def test_tracks_that_youtube_marks_as_processed_come_last(describe):
    drc = {**QUAD, "itag": 338, "isDrc": True, "bitrate": 900000}
    assert describe([*EQUIRECTANGULAR, drc, QUAD]) == "134+338"


@pytest.mark.parametrize("title", ["VR180 beach", "Beach (180° 3D)", "my 180 VR film"])
def test_vr180_is_left_out_unless_asked_for(describe, title):
    assert describe([*MESH, QUAD], title=title) == "unsuitable: vr180"
    included = Filters(exclude_vr180=False)
    assert describe([*MESH, QUAD], title=title, filters=included) == "134+338"


def test_stereo_and_flat_are_taken_when_asked_for(describe):
    anything = Target(require_spatial_audio=False, require_360=False)
    assert describe([*FLAT, *STEREO], anything) in ("134+140", "134+251")


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"isLive": True, "isLiveContent": True}, "later: is-live"),
        ({"isUpcoming": True, "isLiveContent": True}, "later: is-upcoming"),
        ({"isPostLiveDvr": True, "isLiveContent": True}, "later: post-live"),
        ({"isLive": False, "isLiveContent": True}, "134+338"),
    ],
)
def test_live_videos_wait_until_there_is_a_recording(describe, details, expected):
    assert describe([*EQUIRECTANGULAR, QUAD], **details) == expected


def test_the_chosen_ids_mean_the_same_to_the_selector_of_yt_dlp(
    describe, make_client, client_options, limiter, youtube
):
    ids = describe([*EQUIRECTANGULAR, *STEREO, QUAD])
    client = make_client(
        client_options, limiter, threading.Event(), {"format": ids.replace("+", ",")}
    )
    picked = []
    client.process_info = lambda info: picked.append(info["format_id"])
    client.extract_info(f"https://www.youtube.com/watch?v={VIDEO}", download=True)
    assert picked == ids.split("+")


# On plain lists


def note(word, **more):
    return {"format_id": "1", "ext": "mp4", "url": "x", "format_note": word, **more}


@pytest.mark.parametrize("word", ["equirectangular", "360p, equi", "360p, Equi (default)"])
def test_both_spellings_of_equirectangular_are_known(word):
    picture = note(word, vcodec="avc1", acodec="none", width=640, height=320)
    sound = note("ambisonics_quad", vcodec="none", acodec="opus", audio_channels=4)
    assert choose([picture, {**sound, "format_id": "2"}]).projection == "equirectangular"


def test_four_channels_of_opus_are_ambisonic_without_a_word():
    picture = note("equi", vcodec="avc1", acodec="none", width=640, height=320)
    sound = note("", vcodec="none", acodec="opus", audio_channels=4, format_id="2")
    assert choose([picture, sound]).spatial_audio == "quad"
    with bad_item("no-spatial-audio"):
        choose([picture, {**sound, "audio_channels": 2}])


def test_a_plain_file_of_another_site_is_taken_whole():
    choice = choose([{"format_id": "0", "ext": "mp4", "url": "http://here/film.mp4"}])
    assert choice.audio is None and choice.projection == choice.spatial_audio == "unknown"


def test_what_a_picture_must_have_follows_from_its_projection():
    target = Target(height=320)
    for word, width, height, expected in (
        ("equi", 640, 320, True),
        ("equi", 640, 319, False),
        ("equi", 639, 320, False),
        ("mesh", 480, 320, True),
        ("mesh", 479, 320, False),
        ("equi_threed_top_bottom", 640, 640, True),
        ("equi_threed_top_bottom", 640, 639, False),
    ):
        form = note(word, vcodec="avc1", acodec="none", width=width, height=height)
        assert is_large_enough(form, target) is expected, (word, width, height)


def test_the_table_explains_every_stream():
    picture = note("equi", vcodec="avc1", acodec="none", width=640, height=320)
    small = {**picture, "format_id": "2", "width": 320, "height": 160}
    flat = {**picture, "format_id": "3", "format_note": "720p"}
    sound = note("ambisonics_quad", vcodec="none", acodec="opus", audio_channels=4, format_id="4")
    stereo = {**sound, "format_id": "5", "format_note": "medium", "audio_channels": 2}
    board = {"format_id": "sb0", "ext": "mhtml", "url": "x", "vcodec": "none", "acodec": "none"}
    rows = {
        row["id"]: row["decision"] for row in explain([picture, small, flat, sound, stereo, board])
    }
    assert rows == {
        "1": "SELECTED as video",
        "2": "too small for 640x320",
        "3": "flat video",
        "4": "SELECTED as audio",
        "5": "not ambisonic",
    }


def test_the_filters_judge_what_a_page_tells():
    page = {"title": "x", "duration": 60, "upload_date": "20200215", "formats": []}
    keep = Filters(license="creativecommon", uploaded_after="20200101", max_duration_s=60)
    cases = {
        "license": {},
        "too-old": {"upload_date": "20191231"},
        "too-long": {"duration": 61},
        "too-short": {"duration": 9},
    }
    for reason, change in cases.items():
        with bad_item(reason):
            keep.check_page({**page, **change})
    keep.check_page({**page, "license": "Creative Commons Attribution license (reuse allowed)"})
    keep.check_page({"title": "a search result tells no licence"})
    with bad_item("too-new"):
        replace(keep, uploaded_before="20200101").check_page(page)
