"""The commands from the outside: search, import, download, show, formats."""

from __future__ import annotations

import json

import pytest

from yt360.catalog import Catalog
from yt360.cli import cli
from yt360.commands.run import run
from yt360.crawl.youtube.client import YoutubeClient

VIDEO = "-abcdefghi_"
MISTAKEN_FILES = {
    "ids.txt": VIDEO,
    "urls.txt": "http://[abc/x",
    "long.txt": f"{VIDEO} {'9' * 20}",
    "list.json": "[1, 2]",
    "texts.json": '{"formats": "abc"}',
    "nameless.json": '{"formats": [{"format_id": "1"}, {"ext": "mp4"}]}',
    "wide.json": '{"formats": [{"format_id": "1", "width": "640"}]}',
    "deep.json": "[" * 100_000,
}
QUICK = ("--interval-s", "0", "--min-free-gb", "0", "--min-duration-s", "1", "--wait-s", "0")


@pytest.fixture
def yt360(capsys, monkeypatch, send_to_loopback):
    """Return a function that runs a command line and returns its exit code and output."""
    monkeypatch.setattr(YoutubeClient, "send", send_to_loopback)

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            run(cli, [str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return end.value.code or 0, out + err

    return call


@pytest.fixture
def lists(tmp_path):
    """Lists in the released form, with one video."""
    for name, content in (("segments", f"{VIDEO} 0"), ("train", VIDEO), ("test", "")):
        (tmp_path / f"{name}.txt").write_text(content)
    return [
        option
        for name in ("segments", "train", "test")
        for option in (f"--{name}", tmp_path / f"{name}.txt")
    ]


def test_from_lists_to_files(yt360, lists, tmp_path, ready_video, youtube, picture_bytes):
    ready_video(VIDEO, title="A hall")
    catalog = tmp_path / "my.catalog"
    assert yt360("import", *lists, catalog) == (
        0,
        "1 videos, 1 of them new\n1 clips\n1 videos in train\n0 videos in test\n",
    )
    options = ["--allow-url", youtube.url + "/media/", "--player-client", "visionos"]
    media = tmp_path / "media"
    code, output = yt360("download", catalog, *QUICK, *options, "--media", media)
    assert code == 0 and "1  downloaded" in output, output
    (picture,) = media.rglob("*.video.134.mp4")
    assert picture.read_bytes() == picture_bytes
    code, output = yt360("catalog", "show", catalog)
    assert code == 0 and "1    downloaded" in output
    code, output = yt360("catalog", "show", catalog, "--", VIDEO)
    for words in ("A hall", "spatial_audio: quad", "split: train", "download by", "sound,"):
        assert words in output, output
    code, output = yt360("download", catalog, *QUICK, *options)
    assert code == 0 and "nothing was due" in output


def test_describing_fetches_no_media_and_downloading_goes_on_from_there(
    yt360, lists, tmp_path, ready_video, youtube
):
    ready_video(VIDEO)
    catalog = tmp_path / "my.catalog"
    yt360("import", *lists, catalog)
    options = ["--allow-url", youtube.url + "/media/", "--player-client", "visionos"]
    code, output = yt360("download", catalog, *QUICK, *options, "--describe-only")
    assert code == 0 and "1  wanted" in output, output
    assert not any(path.startswith("/media/") for path, _, _ in youtube.log)
    code, output = yt360("download", catalog, *QUICK, *options)
    assert "1  downloaded" in output, output


def test_a_video_that_was_given_up_can_be_asked_for_again(
    yt360, lists, tmp_path, ready_video, youtube
):
    catalog = tmp_path / "my.catalog"
    yt360("import", *lists, catalog)
    options = ["--allow-url", youtube.url + "/media/", "--player-client", "visionos"]
    code, output = yt360("download", catalog, *QUICK, *options)
    assert code == 0 and "1  removed" in output, output
    ready_video(VIDEO)
    assert "nothing was due" in yt360("download", catalog, *QUICK, *options)[1]
    code, output = yt360("download", catalog, *QUICK, *options, "--retry", "unavailable")
    assert "1 unavailable videos are queued again" in output and "1  downloaded" in output


def test_the_filters_of_a_search_hold_for_the_download(yt360, tmp_path, youtube, ready_video):
    item = {"videoRenderer": {"videoId": VIDEO, "lengthText": {"simpleText": "0:30"}}}
    section = {"itemSectionRenderer": {"contents": [item]}}
    contents = {"sectionListRenderer": {"contents": [section]}}
    youtube.pages["hall 360", None] = {
        "contents": {"twoColumnSearchResultsRenderer": {"primaryContents": contents}}
    }
    ready_video(VIDEO, duration_s=30)
    catalog = tmp_path / "my.catalog"
    code, output = yt360(
        *("search", "--query", "hall 360", "--license", "creativecommon", "--interval-s", "0"),
        *("--out", catalog),
    )
    assert (code, output.splitlines()[0]) == (0, "read 1 page: 1 video, 1 new")
    options = ["--allow-url", youtube.url + "/media/", "--player-client", "visionos"]
    code, output = yt360("download", catalog, *QUICK, *options)
    assert "1  rejected" in output and "1  license" in output, output


def results(*items):
    """The page of a search with its results and nothing after them."""
    section = {"itemSectionRenderer": {"contents": list(items)}}
    contents = {"sectionListRenderer": {"contents": [section]}}
    return {"contents": {"twoColumnSearchResultsRenderer": {"primaryContents": contents}}}


def channel_page(channel, *items):
    """The videos of a channel, on one page."""
    grid = {"richGridRenderer": {"contents": [{"richItemRenderer": {"content": i}} for i in items]}}
    address = {"commandMetadata": {"webCommandMetadata": {"url": f"/channel/{channel}/videos"}}}
    tab = {"tabRenderer": {"selected": True, "endpoint": address, "content": grid}}
    return {
        "metadata": {"channelMetadataRenderer": {"title": "somebody", "externalId": channel}},
        "contents": {"twoColumnBrowseResultsRenderer": {"tabs": [tab]}},
    }


def found(video_id, channel):
    """A video among the results of a search."""
    to_channel = {"navigationEndpoint": {"browseEndpoint": {"browseId": channel}}}
    byline = {"runs": [{"text": "somebody", **to_channel}]}
    return {
        "videoRenderer": {
            "videoId": video_id,
            "lengthText": {"simpleText": "0:30"},
            "shortBylineText": byline,
        }
    }


def test_expand_lists_the_channels_that_searches_found_often(yt360, tmp_path, youtube):
    often, once = "UC" + "a" * 22, "UC" + "b" * 22
    hits = [found(f"video{n:06d}", often if n else once) for n in range(3)]
    youtube.pages["hall 360", None] = results(*hits)
    more = [found(f"video{n:06d}", often) for n in range(1, 6)]
    page = json.dumps(channel_page(often, *more))
    youtube.html += f"<script>var ytInitialData = {page};</script>".encode()
    command = ("search", "--interval-s", "0", "--out", tmp_path / "my.catalog")
    code, output = yt360(*command, "--query", "hall 360", "--expand", "2")
    assert code == 0, output
    assert output.splitlines() == [
        "read 1 page: 3 videos, 3 new",
        "the catalog has 3 videos",
        "1 channels have 2 hits or more, 1 are new",
        "read 1 page: 5 videos, 3 new",
        "the catalog has 6 videos",
    ]
    code, output = yt360(*command, "--no-queries", "--expand", "2")
    assert code == 0 and "1 channels have 2 hits or more, 0 are new" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--uploaded-after", "99999999"),
        ("--max-duration-s", "5"),
        ("--max-pages", "0"),
        ("--proxy", "nonsense://x"),
        ("--interval-s", "-1"),
        ("--language", "klingon"),
    ],
)
def test_a_search_that_is_refused_makes_no_catalog(yt360, tmp_path, arguments):
    code, output = yt360("search", *arguments, "--out", tmp_path / "my.catalog")
    assert code == 2 and len(output.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_filters_of_a_download_hold_for_it_alone(yt360, lists, tmp_path, ready_video, youtube):
    ready_video(VIDEO)
    catalog = tmp_path / "my.catalog"
    yt360("import", *lists, catalog)
    options = ["--allow-url", youtube.url + "/media/", "--player-client", "visionos"]
    output = yt360("download", catalog, *QUICK, *options, "--max-duration-s", "2")[1]
    assert "1  too-long" in output, output
    output = yt360("download", catalog, *QUICK, *options, "--retry", "rejected")[1]
    assert "1  downloaded" in output, output


def test_formats_explains_a_video_and_an_info_file(yt360, ready_video, youtube, tmp_path):
    ready_video(VIDEO)
    options = ["--allow-url", youtube.url + "/media/", "--player-client", "visionos"]
    code, output = yt360("formats", "--interval-s", "0", *options, "--", VIDEO)
    assert code == 0 and "selected: 134+338 (equirectangular, sufficient for 640x320" in output, (
        output
    )
    assert "SELECTED as video" in output and "SELECTED as audio" in output
    info = tmp_path / "x.info.json"
    info.write_text(json.dumps({"formats": [{"format_id": "9", "url": "x", "vcodec": "avc1"}]}))
    code, output = yt360("formats", "--info", info)
    assert code == 0 and "not selected: not-360" in output


def test_formats_says_in_one_line_why_a_video_cannot_be_had(yt360, youtube):
    youtube.add_unplayable(VIDEO, "ERROR", "This video is private")
    code, output = yt360("formats", "--interval-s", "0", "--player-client", "visionos", "--", VIDEO)
    assert code == 2 and len(output.splitlines()) == 1 and "private" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("download", "no.catalog"), "no catalog at"),
        (("import", "x.catalog"), "nothing to import"),
        (("import", "--ids", "no.txt", "x.catalog"), "cannot read no.txt"),
        (("formats",), "give either a video id"),
        (("formats", "https://example.org/x"), "not on an allowed site"),
        (("search", "--out", "x.catalog", "--language", "klingon"), "no language 'klingon'"),
        (("search", "--out", "x.catalog", "--uploaded-after", "2020"), "not a date as YYYYMMDD"),
        (("download", "x", "--cookies", "no.txt"), "no catalog at"),
        (("import", "--ids", "ids.txt", "no/x.catalog"), "no folder no"),
        (("search", "--out", "no/x.catalog"), "no folder no"),
        (("import", "--urls", "urls.txt", "x.catalog"), "'http://[abc/x' is not a valid address"),
        (("import", "--segments", "long.txt", "x.catalog"), "long.txt, line 1: a time has more"),
        (("formats", "https://[x"), "'https://[x' is not a valid address"),
        (("formats", "--allow-url", "http://[x", "--", VIDEO), "is not a valid address"),
        (("formats", "--info", "list.json"), "has no list `formats`"),
        (("formats", "--info", "texts.json"), "has no list `formats`"),
        (("formats", "--info", "nameless.json"), "format 2 has no `format_id`"),
        (("formats", "--info", "wide.json"), "format 1: `width` '640' is not a number"),
        (("formats", "--info", "deep.json"), "is not an info file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(yt360, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, content in MISTAKEN_FILES.items():
        (tmp_path / name).write_text(content)
    code, output = yt360(*arguments)
    assert code == 2 and message in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--workers", "0"),
        ("--lease-s", "0"),
        ("--max-attempts", "0"),
        ("--height", "0"),
        ("--cookies", "no.txt"),
        ("--allow-url", "example.org"),
        ("--player-client", "web;rm"),
        ("--min-rate-kb", "-1"),
        ("--min-rate-kb", "nan"),
        ("--min-free-gb", "inf"),
        ("--min-free-gb", "nan"),
        ("--min-duration-s", "nan"),
        ("--lease-s", "nan"),
        ("--lease-s", "inf"),
        ("--lease-s", "86401"),
        ("--interval-s", "nan"),
        ("--wait-s", "nan"),
        ("--wait-s", "inf"),
        ("--limit-rate-mb", "inf"),
    ],
)
def test_options_out_of_range_are_refused_and_nothing_is_changed(yt360, catalog_path, arguments):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add(VIDEO)
        catalog.videos.reject(VIDEO, "license", "no")
    code, output = yt360("download", catalog_path, "--retry", "rejected", *arguments)
    assert code == 2 and len(output.splitlines()) == 1, output
    with Catalog(catalog_path) as catalog:
        assert catalog.videos.get(VIDEO).state == "rejected"


def test_a_full_disk_stops_the_run_with_room_left(yt360, lists, tmp_path, ready_video, youtube):
    ready_video(VIDEO)
    catalog = tmp_path / "my.catalog"
    yt360("import", *lists, catalog)
    code, output = yt360("download", catalog, *QUICK[:2], "--min-free-gb", "1e9")
    assert code == 2 and "stopped early" in output and "GB are free" in output
    assert not youtube.bodies, "nothing was asked"
    assert "1    found" in yt360("catalog", "show", catalog)[1]


def test_a_query_prints_whatever_it_finds_as_json_lines(yt360, lists, tmp_path):
    catalog = tmp_path / "my.catalog"
    yt360("import", *lists, catalog)
    sql = "SELECT count(*) AS numbers, x'01' AS facts FROM videos"
    code, output = yt360("catalog", "query", catalog, "--sql", sql, "--format", "jsonl")
    assert (code, output) == (0, '{"numbers": 1, "facts": "01"}\n')
