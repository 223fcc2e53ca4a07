"""Doors of catalogs, lists, and what pages say of videos."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.command import run_command
from fuzzing.door import Door, Files, Refused, door_of
from fuzzing.material import MEDIA, VIDEO_IDS, catalog
from fuzzing.mutate import mutate_bytes, mutate_json, mutate_text
from fuzzing.tables import mutate_database

CATALOG = "my.catalog"
_SEGMENTS = "\n".join(f"{video_id} 0,10,27" for video_id in VIDEO_IDS)
_IDS = "\n".join(VIDEO_IDS) + "\n"
_URLS = "https://www.youtube.com/watch?v=kqAZkf5Odyw\nhttps://youtu.be/-b_bBbbbbbb\nhttp://a.org:8/x.mp4\n"


def _catalog() -> Files:
    media = {f"my-media/{MEDIA}/{name}": b"x" for name in ("a.mp4", "a.webm")}
    return {CATALOG: catalog(), **media}


def _open_catalog(folder: Path) -> None:
    from yt360.catalog import Catalog
    from yt360.catalog.build_inputs import find_all_inputs, media_parts
    from yt360.catalog.reports.summary import summarize, summary_lines

    path = folder / CATALOG
    with Catalog(path) as opened:
        list(summary_lines(summarize(opened)))
        for video in opened.videos.select():
            _ = media_parts(opened, video.video_id), opened.clips.of(video.video_id)
            _ = opened.verdicts.of(video.video_id), opened.claims.history(video.video_id)
    find_all_inputs([path])


def _command(*arguments: str) -> Callable[[Path], None]:
    """Return what runs a command on the catalog; ``{}`` stands for its path."""

    def read(folder: Path) -> None:
        run_command("yt360", *(each.format(folder / CATALOG) for each in arguments))

    return read


def _export(folder: Path) -> None:
    for table, name in (("videos", "a.csv"), ("clips", "b.jsonl"), ("files", "c.parquet")):
        out = str(folder / name)
        run_command("yt360", "catalog", "export", str(folder / CATALOG), out, "--table", table)
    lists = str(folder / "lists")
    run_command(
        "yt360", "catalog", "export", str(folder / CATALOG), lists, "--format", "yt360-lists"
    )


def _take_work(folder: Path) -> None:
    """Claim and finish, as downloads and inspections do."""
    from yt360.catalog import Catalog

    with Catalog(folder / CATALOG) as opened:
        for job in ("describe", "download", "inspect"):
            claim = opened.claims.take(job, "host:2", 300.0)
            if claim is not None:
                opened.claims.finish(claim, "rejected", "no-360")
        opened.listings.take(300.0)


def _change_text(draw: Random, content: bytes) -> bytes:
    if draw.random() < 0.1:
        return mutate_bytes(draw, content)
    return mutate_text(draw, content.decode()).encode(errors="surrogatepass")


def _import(option: str) -> Callable[[Path], None]:
    return lambda folder: run_command(
        "yt360", "import", str(folder / "new.catalog"), f"--{option}", str(folder / "list")
    )


def _list(text: str) -> Callable[[], Files]:
    return lambda: {"list": text.encode()}


def info() -> dict[str, Any]:
    """Return a yt-dlp info dict of a 360° video with ambisonic audio."""
    formats = [
        {"format_id": "134", "url": "http://127.0.0.1:9/v", "ext": "mp4", "protocol": "https",
         "vcodec": "avc1.4d401e", "acodec": "none", "width": 640, "height": 320, "fps": 25,
         "tbr": 500.0, "filesize": 1000, "format_note": "360p, equirectangular", "quality": 6},
        {"format_id": "338", "url": "http://127.0.0.1:9/a", "ext": "webm", "protocol": "https",
         "vcodec": "none", "acodec": "opus", "audio_channels": 4, "asr": 48000, "abr": 480.0,
         "filesize": 1000, "format_note": "ambisonics_quad", "quality": 3},
    ]  # fmt: skip
    return {
        "id": VIDEO_IDS[0], "ie_key": "Youtube", "title": "A walk", "channel": "Someone",
        "channel_id": "UC" + "a" * 22, "license": "Creative Commons", "upload_date": "20200101",
        "duration": 30, "webpage_url": f"https://www.youtube.com/watch?v={VIDEO_IDS[0]}",
        "formats": formats, "live_status": "not_live", "tags": ["a"], "view_count": 1,
    }  # fmt: skip


@cache
def _info() -> Files:
    return {"a.info.json": json.dumps(info()).encode(), "a.mp4": b"x"}


def _read_info_json(folder: Path) -> None:
    from yt360.shards.builder.inputs.info_json import channel_of, read_info_json

    stated, facts = read_info_json(folder / "a.info.json")
    channel_of(facts)
    json.dumps([stated, facts]).encode()


def _judge_page(folder: Path) -> None:
    """Judge what a page states by the filters, choose among its formats, and store its facts."""
    from yt360.catalog import Catalog
    from yt360.crawl.failures import Unsuitable
    from yt360.crawl.search.filters import Filters
    from yt360.crawl.youtube.format_table import explain
    from yt360.crawl.youtube.formats import choose
    from yt360.untrusted.page import read_formats, read_info_file, read_page

    info = read_info_file(folder / "a.info.json")
    page = read_page(info)
    formats = read_formats(info.get("formats") if isinstance(info, dict) else None)
    with Catalog(folder / "new.catalog", create=True) as opened:
        opened.videos.add(VIDEO_IDS[0])
        facts = {name: value for name, value in page.items() if name not in ("id", "duration")}
        opened.videos.update_facts(VIDEO_IDS[0], **facts, duration_s=page.get("duration"))
        opened.videos.get(VIDEO_IDS[0])
    filters = Filters(license="creativecommon", uploaded_after="20100101")
    explain(formats)
    try:
        filters.check_page(page, is_whole=True)
        choose(formats)
    except Unsuitable as error:
        raise Refused(f"{error.reason}: {error.detail}") from error


def _read_queries(folder: Path) -> None:
    from yt360.crawl.search.queries import load_queries

    load_queries(folder / "queries.yaml")


QUERIES = b"""\
suffixes: ["360", "360 video"]
languages:
  en:
    keywords: {street: street musician, sea: &a sea}
    suffixes: ["360\\u00b0"]
  de:
    keywords: [Wald, *a]
"""
_BOMB = (
    "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "languages: {en: {keywords: *i}}\nstages: *i\n"
)


def mutate_yaml(draw: Random, content: bytes) -> bytes:
    """Return YAML changed in its text or its values, sometimes with aliases that multiply."""
    from yt360.untrusted.yaml_files import load_yaml

    kind = draw.random()
    if kind < 0.05:
        return _BOMB.encode() if kind < 0.02 else _change_text(draw, _BOMB.encode())
    if kind < 0.5:
        return _change_text(draw, content)
    return mutate_json(draw, json.dumps(load_yaml(content.decode())).encode())  # JSON is YAML


def _cookies() -> Files:
    head = "# Netscape HTTP Cookie File\n"
    lines = [
        ".youtube.com\tTRUE\t/\tTRUE\t1999999999\tSID\tabc",
        "#HttpOnly_.a.org\tTRUE\t/\tFALSE\t0\tx\ty",
    ]
    return {"cookies.txt": (head + "\n".join(lines) + "\n").encode()}


def _read_cookies(folder: Path) -> None:
    from yt360.crawl.youtube.options import ClientOptions

    ClientOptions(cookies=folder / "cookies.txt")


DOORS: Sequence[Door] = (
    door_of("catalog", _open_catalog, _catalog, {CATALOG: mutate_database}),
    door_of("catalog, working on it", _take_work, _catalog, {CATALOG: mutate_database}),
    door_of(
        "yt360 catalog show",
        _command("catalog", "show", "{}"),
        _catalog,
        {CATALOG: mutate_database},
        fraction=0.3,
    ),
    door_of(
        "yt360 catalog show ID",
        _command("catalog", "show", "{}", VIDEO_IDS[0]),
        _catalog,
        {CATALOG: mutate_database},
        fraction=0.3,
    ),
    door_of(
        "yt360 catalog query",
        _command("catalog", "query", "{}", "--split", "test"),
        _catalog,
        {CATALOG: mutate_database},
        fraction=0.3,
    ),
    door_of(
        "yt360 catalog query --sql",
        _command("catalog", "query", "{}", "--sql", "SELECT * FROM videos"),
        _catalog,
        {CATALOG: mutate_database},
        fraction=0.3,
    ),
    door_of("yt360 catalog export", _export, _catalog, {CATALOG: mutate_database}, fraction=0.2),
    door_of(
        "yt360 catalog split",
        _command("catalog", "split", "{}"),
        _catalog,
        {CATALOG: mutate_database},
        fraction=0.3,
    ),
    door_of(
        "yt360 catalog drop",
        _command("catalog", "drop", "{}", VIDEO_IDS[0], "--delete-media"),
        _catalog,
        {CATALOG: mutate_database},
        fraction=0.3,
    ),
    door_of(
        "list: --segments",
        _import("segments"),
        _list(_SEGMENTS),
        {"list": _change_text},
        fraction=0.3,
    ),
    door_of("list: --ids", _import("ids"), _list(_IDS), {"list": _change_text}, fraction=0.3),
    door_of("list: --urls", _import("urls"), _list(_URLS), {"list": _change_text}, fraction=0.3),
    door_of(
        "queries (YAML)",
        _read_queries,
        lambda: {"queries.yaml": QUERIES},
        {"queries.yaml": mutate_yaml},
    ),
    door_of("cookies", _read_cookies, _cookies, {"cookies.txt": _change_text}),
    door_of(".info.json", _read_info_json, _info, {"a.info.json": mutate_json}, found=True),
    door_of(
        "page facts (yt-dlp)",
        _judge_page,
        _info,
        {"a.info.json": mutate_json},
        refusals=(ValueError, Refused),
    ),
)
