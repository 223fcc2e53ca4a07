"""Searches that were read are gone on with, or read again; options that do not go together."""

from __future__ import annotations

import pytest

from yt360.catalog import Catalog
from yt360.cli import cli
from yt360.commands.run import run
from yt360.crawl.youtube.client import YoutubeClient

QUERY = "hall 360"


def renderer(video_id, title):
    runs = [{"text": title}]
    return {"videoRenderer": {"videoId": video_id, "title": {"runs": runs}}}


def more(token):
    endpoint = {"continuationCommand": {"token": token}}
    return [{"continuationItemRenderer": {"continuationEndpoint": endpoint}}] if token else []


def page(items, token, first):
    contents = [{"itemSectionRenderer": {"contents": items}}, *more(token)]
    if first:
        section = {"sectionListRenderer": {"contents": contents}}
        return {"contents": {"twoColumnSearchResultsRenderer": {"primaryContents": section}}}
    action = {"appendContinuationItemsAction": {"continuationItems": contents}}
    return {"onResponseReceivedCommands": [action]}


@pytest.fixture
def put_pages(youtube):
    """Return a function that makes these the results of the query: a list of ids a page."""

    def put(*pages):
        tokens = [None, *(f"token-{number}" for number in range(1, len(pages))), None]
        for number, ids in enumerate(pages):
            items = [renderer(video_id, f"title of {video_id}") for video_id in ids]
            content = page(items, tokens[number + 1], number == 0)
            youtube.pages[QUERY, tokens[number]] = content

    return put


@pytest.fixture
def command(capsys, monkeypatch, send_to_loopback):
    """Return a function that runs a command line and returns its exit code and output."""
    monkeypatch.setattr(YoutubeClient, "send", send_to_loopback)

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            run(cli, [str(argument) for argument in arguments])
        return end.value.code or 0, "".join(capsys.readouterr())

    return call


@pytest.fixture
def search(command, catalog_path):
    def call(*arguments):
        code, output = command("search", "--out", catalog_path, "--interval-s", "0", *arguments)
        assert code == 0, output
        return output.splitlines()

    return call


def asked(youtube):
    return [body.get("continuation") for body in youtube.bodies if body["path"].endswith("search")]


def ids(number):
    return [f"page{number}video{item}" for item in range(3)]


def test_a_larger_limit_of_pages_goes_on_where_the_smaller_one_ended(youtube, put_pages, search):
    put_pages(ids(0), ids(1), ids(2), ids(3))
    assert search("--query", QUERY, "--max-pages", 1)[0] == "read 1 page: 3 videos, 3 new"
    assert search("--query", QUERY, "--max-pages", 1)[0] == "read 0 pages: 0 videos, 0 new"
    assert search("--query", QUERY, "--max-pages", 3)[:2] == [
        "1 searches that ended at fewer pages are continued",
        "read 2 pages: 6 videos, 6 new",
    ]
    assert search("--no-queries", "--max-pages", 2)[0] == "read 0 pages: 0 videos, 0 new"
    assert search("--no-queries")[1] == "read 1 page: 3 videos, 3 new"
    assert asked(youtube) == [None, "token-1", "token-2", "token-3"], "no page is read twice"
    assert search("--no-queries", "--max-pages", 99)[0] == "read 0 pages: 0 videos, 0 new"


def test_a_search_that_is_read_again_finds_what_was_uploaded_since(
    youtube, put_pages, search, catalog_path
):
    put_pages(ids(0), ids(1))
    search("--query", QUERY)
    put_pages(["newuploaded", *ids(0)[:2]], [ids(0)[2], *ids(1)])
    assert search("--query", QUERY)[0] == "read 0 pages: 0 videos, 0 new"
    assert search("--no-queries", "--again")[:2] == [
        "1 finished searches are restarted",
        "read 2 pages: 7 videos, 1 new",
    ]
    with Catalog(catalog_path) as catalog:
        rows = catalog.connection.execute("SELECT pages, hits, state FROM listings").fetchall()
        assert [tuple(row) for row in rows] == [(2, 7, "done")]
        assert catalog.connection.execute("SELECT count(*) FROM sightings").fetchone()[0] == 7
    assert search("--no-queries", "--again", "--max-pages", 1)[1].startswith("read 1 page:")


def test_searches_that_were_given_up_are_begun_anew_by_retry_alone(put_pages, search, catalog_path):
    put_pages(ids(0))
    with Catalog(catalog_path) as catalog:
        catalog.listings.add("search", QUERY, "EgQQAXgB")
        catalog.listings.settle(catalog.listings.take(9.0), "failed", "http-403")
    assert search("--no-queries", "--again")[0] == "0 finished searches are restarted"
    assert search("--no-queries", "--retry")[:2] == [
        "1 failed searches are restarted",
        "read 1 page: 3 videos, 3 new",
    ]


def test_a_title_that_is_cut_within_a_character_does_not_cost_the_page(
    youtube, search, catalog_path
):
    items = [
        renderer("cutinmiddle", "an emoji \ud83d"),
        renderer("wholetitle_", "an emoji \U0001f600"),
    ]
    youtube.pages[QUERY, None] = page(items, None, first=True)
    assert search("--query", QUERY)[0] == "read 1 page: 2 videos, 2 new"
    with Catalog(catalog_path) as catalog:
        titles = [video.title for video in catalog.videos.select()]
    assert titles == ["an emoji ?", "an emoji \U0001f600"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("search --out C --query x --queries q.yaml", "--queries does not go with --query"),
        ("search --out C --query x --language de", "--language does not go with --query"),
        ("search --out C --query x --no-queries", "--no-queries does not go with --query"),
        ("search --out C --no-queries --language de", "--language does not go with --no-queries"),
        ("catalog query C --sql S --state rejected", "--state cannot be combined with --sql"),
        ("catalog query C --sql S --reason geo", "--reason cannot be combined with --sql"),
        ("catalog query C --channel UC --sql S", "--channel cannot be combined with --sql"),
        ("catalog query C --split train --sql S", "--split cannot be combined with --sql"),
        (
            "catalog export C lists --format yt360-lists --table videos",
            "--table cannot be combined with",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_one_line(
    command, tmp_path, catalog_path, arguments, message
):
    names = {"C": catalog_path, "S": "SELECT video_id FROM videos", "lists": tmp_path / "lists"}
    code, output = command(*(names.get(word, word) for word in arguments.split()))
    assert code == 2 and output.startswith(f"error: {message}") and output.count("\n") == 1
    assert not (tmp_path / "lists").exists()


def test_the_options_of_rows_go_with_sql_and_a_query_alone_with_no_other(command, catalog_path):
    with Catalog(catalog_path) as catalog:
        catalog.videos.add("page0video0")
    sql = "SELECT state FROM videos"
    query = ("catalog", "query", catalog_path)
    assert command(*query, "--sql", sql, "--format", "csv", "--limit", "1") == (0, "state\nfound\n")
    assert "page0video0" in command(*query, "--state", "found")[1]
