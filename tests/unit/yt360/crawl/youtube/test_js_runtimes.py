"""The runtimes that yt-dlp is told of."""

import threading

from yt_dlp.globals import supported_js_runtimes

from yt360.crawl.youtube.client import YoutubeClient
from yt360.crawl.youtube.js_runtimes import JS_RUNTIMES, oldest_version
from yt360.crawl.youtube.options import ClientOptions


def test_a_session_offers_ytdlp_every_runtime_that_the_doctor_looks_for():
    assert set(JS_RUNTIMES) <= set(supported_js_runtimes.value)
    with YoutubeClient(ClientOptions(), limiter=None, stop=threading.Event()) as client:
        assert tuple(client.params["js_runtimes"]) == JS_RUNTIMES


def test_every_runtime_has_an_oldest_version():
    for name in JS_RUNTIMES:
        assert all(part.isdecimal() for part in oldest_version(name).split("."))
