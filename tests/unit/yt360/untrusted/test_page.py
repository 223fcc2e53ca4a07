"""What a page states becomes facts of known types within limits, or is unknown."""

from __future__ import annotations

import json
import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt360.cli import cli
from yt360.commands.run import run
from yt360.crawl.download.plan import DownloadPlan, Selection
from yt360.crawl.failures import Unsuitable
from yt360.crawl.search.filters import Filters
from yt360.crawl.youtube.format_table import explain
from yt360.crawl.youtube.formats import choose, format_part
from yt360.shards.builder.inputs.info_json import read_info_json
from yt360.untrusted.names import file_name
from yt360.untrusted.page import MAX_TEXT, file_part, read_formats, read_page

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)
NAMES = ["id", "title", "duration", "upload_date", "tags", "license", "live_status", "channel"]
FORMAT_NAMES = [
    "format_id", "url", "ext", "vcodec", "acodec", "width", "height", "fps", "tbr", "abr",
    "audio_channels", "format_note", "protocol", "filesize", "language_preference", "has_drm",
]  # fmt: skip


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING) | ANYTHING)
def test_any_page_is_judged_without_an_error_of_python(info):
    page = read_page(info)
    with suppress(Unsuitable):
        Filters(min_duration_s=0.0, license="creativecommon").check_page(page, is_whole=True)
    assert isinstance(page.get("title", ""), str)
    assert 0 <= page.get("duration", 0) < float("inf")


@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.sampled_from(FORMAT_NAMES), ANYTHING) | ANYTHING) | ANYTHING)
def test_any_formats_are_chosen_from_and_explained_without_an_error_of_python(formats):
    forms = read_formats(formats)
    assert all(file_name(format_part(form)) for form in forms)
    explain(forms)
    with suppress(Unsuitable):
        choose(forms)


@pytest.mark.parametrize(
    "value",
    [True, float("nan"), float("inf"), -1, 10**400, "5", [5], {"x": 5}, "x" * (MAX_TEXT + 1)],
)
def test_what_is_no_length_of_a_video_is_unknown(value):
    assert read_page({"duration": value, "title": "t"}) == {"title": "t"}


def test_control_characters_of_a_title_stay():
    assert read_page({"title": "\x1b]0;x\x07"})["title"] == "\x1b]0;x\x07"


def test_what_else_a_format_holds_is_left_for_yt_dlp():
    form = {"format_id": "1", "fragments": [{"url": "x"}], "http_headers": {"a": "b"}, "width": "9"}
    assert read_formats([form]) == [{**form, "width": None}]


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", ".hidden", "", "x" * 65, "a\nb", "é"])
def test_the_file_of_a_format_is_named_by_characters_that_are_harmless(tmp_path, name):
    assert file_part(name) is None
    form = {"format_id": name or "?", "url": "u", "ext": "mp4", "acodec": "none", "filesize": 3}
    victim = tmp_path / "x.mp4.part"
    victim.write_bytes(b"abc")
    plan = DownloadPlan(Selection(), "aaaaaaaaaaa", tmp_path / "a" / "b")
    whole = plan._whole(form, "video")
    assert whole["yt360_format"].isalnum() and victim.exists()
    assert not choose_or_none([{**form, "format_id": "1", "ext": name, "format_note": "equi"}])


def choose_or_none(formats):
    try:
        return choose(read_formats(formats))
    except Unsuitable:
        return None


def test_an_id_of_a_format_that_is_a_name_stands_in_the_name_of_its_file():
    assert [format_part({"format_id": each}) for each in ("137", "hls-720p", "251+b")] == [
        "137", "hls-720p", "251+b",
    ]  # fmt: skip


CONTENTS = {
    "deep": "[" * 200_000,
    "huge number": '{"title": 1' + "0" * 10_000 + "}",
    "not UTF-8": b'{"title": "\xff"}',
    "a list": "[1]",
    "odd types": json.dumps({name: [{"a": 1}] for name in NAMES}),
    "empty": "",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_an_info_file_without_usable_facts_tells_nothing(tmp_path, content):
    path = tmp_path / "a.info.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_info_json(path) == (None, {})


@pytest.mark.parametrize("words", [[], ["formats", "--info"]])
@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_an_info_file_that_is_no_regular_file_is_not_waited_for(tmp_path, capsys, kind, words):
    path = tmp_path / "a.info.json"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    if not words:
        assert read_info_json(path) == (None, {})
        return
    with pytest.raises(SystemExit) as end:
        run(cli, [*words, str(path)])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not an info file of yt-dlp" in line and "not a regular file" in line
