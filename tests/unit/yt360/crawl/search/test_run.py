from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_youtube import continuation, search_page, video_renderer

from yt360.catalog import Catalog
from yt360.catalog.tables.listings import Listing
from yt360.crawl.rate_limit import RateLimitConfig
from yt360.crawl.search.config import SearchConfig
from yt360.crawl.search.filters import Filters
from yt360.crawl.search.run import SearchReport, filter_parameter, listing_url, run_search
from yt360.retry import RetryPolicy

CHANNEL = "UC" + "x" * 22


@pytest.fixture
def pages(youtube):
    """Put three pages of results for the query ``concert 360`` on the server."""
    ids = [[f"page{page}video{item}" for item in range(3)] for page in range(3)]
    tokens = [None, "token-1", "token-2"]
    for number, page in enumerate(ids):
        token = tokens[number + 1] if number < 2 else None
        items = [video_renderer(video_id) for video_id in page]
        youtube.pages["concert 360", tokens[number]] = search_page(items, token, number == 0)
    return ids


@pytest.fixture
def config(client_options):
    return SearchConfig(
        rate_limit=RateLimitConfig(interval_s=0.0, first_pause_s=0.05),
        client=client_options,
        retry=RetryPolicy(4, 0.02),
        filters=Filters(),
    )


@pytest.fixture
def search(catalog_path, config, make_client):
    def run(*queries, stop=None, **changes):
        with Catalog(catalog_path) as catalog:
            for query in queries:
                catalog.listings.add("search", query, filter_parameter(), "en")
            return run_search(
                catalog,
                replace(config, **changes),
                stop or threading.Event(),
                make_client=make_client,
            )

    return run


def asked_pages(youtube):
    return [body.get("continuation") for body in youtube.bodies if body["path"].endswith("search")]


def test_all_pages_are_read_once_and_videos_keep_their_facts(youtube, pages, search, catalog_path):
    report = search("concert 360")
    assert (report.pages, report.seen, report.new) == (3, 9, 9)
    assert asked_pages(youtube) == [None, "token-1", "token-2"]
    with Catalog(catalog_path) as catalog:
        found = list(catalog.videos.select())
        assert [video.video_id for video in found] == [i for page in pages for i in page]
        assert found[0].title == "title of page0video0"
        assert (found[0].channel_id, found[0].duration_s) == (CHANNEL, 125)


def test_the_360_filter_is_sent(youtube, pages, search):
    search("concert 360")
    assert {body["params"] for body in youtube.bodies if "params" in body} == {filter_parameter()}


def test_a_second_search_asks_for_nothing(youtube, pages, search):
    search("concert 360")
    count = len(youtube.bodies)
    assert search("concert 360").pages == 0
    assert len(youtube.bodies) == count


def test_a_search_that_is_stopped_goes_on_at_the_next_page(
    youtube, pages, search, catalog_path, config, make_client
):
    stop = threading.Event()

    class StopsAtThirdPage(make_client):
        def send(self, request):
            if len(asked_pages(youtube)) == 2:
                stop.set()
            return super().send(request)

    with Catalog(catalog_path) as catalog:
        catalog.listings.add("search", "concert 360", filter_parameter(), "en")
        youtube.script["/youtubei/v1/search"] = ["ok", "ok", "500"]
        first = run_search(catalog, config, stop, make_client=StopsAtThirdPage)
    assert first.pages == 2
    report = search()
    assert (report.pages, report.new) == (1, 3)
    assert asked_pages(youtube)[-1] == "token-2"
    assert asked_pages(youtube).count("token-1") == 1, "no page is read twice"


def test_a_page_that_fails_is_asked_for_again(youtube, pages, search):
    youtube.script["/youtubei/v1/search"] = ["ok", "403", "429:0", "ok"]
    report = search("concert 360")
    assert (report.pages, report.new, report.failed) == (3, 9, {})
    assert asked_pages(youtube) == [None, "token-1", "token-1", "token-1", "token-2"]


def test_a_page_without_content_is_not_taken_for_the_end(youtube, pages, search, catalog_path):
    whole = youtube.pages["concert 360", "token-1"]
    youtube.pages["concert 360", "token-1"] = {"responseContext": {}}
    report = search("concert 360", retry=RetryPolicy(2, 0.02))
    assert report.pages == 1 and report.failed and not report.has_failed
    youtube.pages["concert 360", "token-1"] = whole
    assert search().pages == 0, "a failed listing waits until it is asked for again"
    with Catalog(catalog_path) as catalog:
        assert catalog.listings.reopen("failed") == 1
    assert (search().pages, asked_pages(youtube)[-3:]) == (3, [None, "token-1", "token-2"])


def test_no_more_pages_than_wanted_are_read(youtube, pages, search):
    assert search("concert 360", max_pages=2).pages == 2
    assert asked_pages(youtube) == [None, "token-1"]


def test_a_video_found_twice_is_one_video_with_two_sightings(youtube, pages, search, catalog_path):
    for (query, token), page in list(youtube.pages.items()):
        youtube.pages["Konzert 360", token] = page
        assert query == "concert 360"
    report = search("concert 360", "Konzert 360")
    assert (report.seen, report.new) == (18, 9)
    with Catalog(catalog_path) as catalog:
        assert catalog.connection.execute("SELECT count(*) FROM sightings").fetchone()[0] == 18


def test_what_the_page_already_rules_out_is_rejected_with_its_reason(youtube, search, catalog_path):
    items = [video_renderer("shortshorts", "0:05"), video_renderer("longlonglon", "2:00:00")]
    youtube.pages["concert 360", None] = search_page(items, None, True)
    search("concert 360", filters=Filters(max_duration_s=3600))
    with Catalog(catalog_path) as catalog:
        reasons = {video.video_id: video.reason for video in catalog.videos.select("rejected")}
    assert reasons == {"shortshorts": "too-short", "longlonglon": "too-long"}


def test_a_search_of_a_crashed_worker_is_taken_over_where_it_was(
    youtube, pages, search, catalog_path
):
    with Catalog(catalog_path) as catalog:
        catalog.listings.add("search", "concert 360", filter_parameter(), "en")
        listing = catalog.listings.take(lease_s=0.2)
        catalog.videos.add("page0video0")
        catalog.listings.turn_page(listing, ["page0video0"], "token-1", lease_s=0.2)
    report = search()
    assert report.pages == 2
    assert asked_pages(youtube) == ["token-1", "token-2"]


def channel_page(items, token):
    contents = [{"richItemRenderer": {"content": item}} for item in items]
    contents += [continuation(token)] if token else []
    return contents


def test_a_channel_is_listed_whole_and_resumed(youtube, search, catalog_path):
    first = channel_page([video_renderer("chan0video0"), video_renderer("chan0video1")], "next-1")
    tab = {
        "selected": True,
        "title": "Videos",
        "endpoint": {
            "commandMetadata": {"webCommandMetadata": {"url": f"/channel/{CHANNEL}/videos"}}
        },
        "content": {"richGridRenderer": {"contents": first}},
    }
    data = {
        "contents": {"twoColumnBrowseResultsRenderer": {"tabs": [{"tabRenderer": tab}]}},
        "metadata": {"channelMetadataRenderer": {"title": "somebody", "externalId": CHANNEL}},
    }
    youtube.html = f"<script>var ytInitialData = {json.dumps(data)};</script>".encode()
    items = channel_page([video_renderer("chan1video0")], "next-2")
    action = {"appendContinuationItemsAction": {"continuationItems": items}}
    youtube.pages["", "next-1"] = {"onResponseReceivedActions": [action]}
    last = channel_page([video_renderer("chan2video0")], None)
    action = {"appendContinuationItemsAction": {"continuationItems": last}}
    youtube.pages["", "next-2"] = {"onResponseReceivedActions": [action]}
    with Catalog(catalog_path) as catalog:
        catalog.listings.add("channel", CHANNEL)
    assert search(max_pages=2).seen == 3
    with Catalog(catalog_path) as catalog:
        catalog.connection.execute("UPDATE listings SET state = 'open'")
    report = search()
    assert (report.pages, report.seen) == (1, 1)
    with Catalog(catalog_path) as catalog:
        assert [video.video_id for video in catalog.videos.select()] == [
            "chan0video0",
            "chan0video1",
            "chan1video0",
            "chan2video0",
        ]


def test_channels_with_many_hits_come_first_and_rejected_videos_do_not_count(catalog_path):
    with Catalog(catalog_path) as catalog:
        catalog.listings.add("search", "a")
        ids = [f"video{number:06d}" for number in range(6)]
        for number, video_id in enumerate(ids):
            catalog.videos.add(video_id, channel_id="UC" + ("a" if number < 4 else "b") * 22)
        catalog.videos.reject(ids[0], "too-short", "")
        catalog.listings.turn_page(catalog.listings.take(9.0), ids, None, 9.0)
        assert catalog.listings.channels_with_hits(2) == [
            ("UC" + "a" * 22, 3),
            ("UC" + "b" * 22, 2),
        ]
        assert catalog.listings.channels_with_hits(3) == [("UC" + "a" * 22, 3)]


def parse_protobuf(message):
    """Return {field number: value} of a message of varints and byte strings below 128."""
    fields, i = {}, 0
    while i < len(message):
        number, kind, value = message[i] >> 3, message[i] & 7, message[i + 1]
        i += 2
        fields[number] = value
        if kind == 2:
            fields[number] = message[i : i + value]
            i += value
    return fields


@pytest.mark.parametrize("creative_commons", [False, True])
def test_the_filter_parameter_is_the_message_that_youtube_reads(creative_commons):
    outer = parse_protobuf(base64.b64decode(filter_parameter(creative_commons)))
    wanted = {2: 1, 15: 1, **({6: 1} if creative_commons else {})}
    assert parse_protobuf(outer[2]) == wanted


def test_a_query_with_special_characters_stays_one_parameter():
    listing = Listing(1, "search", "R&B 360° ?q=ß", "EgQQAXgB", 0, None, 0, "t")
    query = parse_qs(urlsplit(listing_url(listing)).query)
    assert query == {"search_query": ["R&B 360° ?q=ß"], "sp": ["EgQQAXgB"]}


def test_a_run_has_failed_that_ended_early_or_of_which_no_search_was_read():
    assert SearchReport(failed=Counter(network=2)).has_failed
    assert SearchReport(pages=1, stopped="the address is blocked").has_failed
    assert not SearchReport().has_failed
