"""Downloads in processes of their own, which are killed, interrupted, and run side by side."""

from __future__ import annotations

import os
import signal
import time

import pytest
from helpers import processes

from yt360.catalog import Catalog
from yt360.catalog.ids import id_of_url
from yt360.catalog.lists.yt360_lists import import_urls

QUICK = {
    "--interval-s": "0",
    "--min-duration-s": "1",
    "--min-free-gb": "0",
    "--min-rate-kb": "0",
    "--workers": "1",
    "--lease-s": "600",
    "--wait-s": "20",
}
SHORT_LEASE = {"--lease-s": "1"}


@pytest.fixture
def urls(youtube, picture_bytes, catalog_path):
    """Put three addresses of plain media files into the catalog."""
    youtube.drip_bytes = 200
    addresses = []
    for number in range(3):
        path = f"/media/film-{number}.mp4"
        youtube.media[path] = picture_bytes
        addresses.append(youtube.url + path)
    with Catalog(catalog_path) as catalog:
        import_urls(catalog, addresses)
    return addresses


@pytest.fixture
def start(catalog_path, youtube, tmp_path):
    """Return a function that starts ``yt360 download``; what still runs at the end is killed."""
    running = []

    def begin(options=None):
        words = [word for pair in {**QUICK, **(options or {})}.items() for word in pair]
        arguments = ("download", str(catalog_path), *words, "--allow-url", youtube.url + "/media/")
        output = tmp_path / f"output-{len(running)}.txt"
        process = processes.start(processes.__file__, "yt360_command", *arguments, output=output)
        running.append(process)
        return process, output

    yield begin
    for process in running:
        process.kill()
        process.join()


def wait_for_partial_file(catalog_path, least_bytes=2000):
    media = catalog_path.parent / "my-media"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for part in media.rglob("*.part"):
            if part.stat().st_size >= least_bytes:
                return part
        time.sleep(0.02)
    raise AssertionError("no download began")


def finish(process, output):
    process.join(60)
    return process.exitcode, output.read_text()


def outcomes(catalog_path, url):
    with Catalog(catalog_path) as catalog:
        return [attempt.outcome for attempt in catalog.claims.history(id_of_url(url))]


def everything_is_here_once(catalog_path, urls, content):
    with Catalog(catalog_path) as catalog:
        for url in urls:
            (file,) = catalog.files.of(id_of_url(url))
            assert (catalog.media / file.path).read_bytes() == content
        assert not list(catalog.media.rglob("*.part"))
        assert [v.state for v in catalog.videos.select()] == ["downloaded"] * len(urls)


def test_a_killed_download_is_resumed_by_the_next_run(
    start, urls, youtube, catalog_path, picture_bytes
):
    path = "/media/film-0.mp4"
    youtube.script[path] = ["ok", "drip"]  # the page, then the file
    process, _ = start(SHORT_LEASE)
    part = wait_for_partial_file(catalog_path)
    process.kill()
    process.join()
    had = part.stat().st_size
    code, output = finish(*start())
    assert code == 0, output
    everything_is_here_once(catalog_path, urls, picture_bytes)
    assert outcomes(catalog_path, urls[0]) == ["expired", "downloaded"]
    ranges = [span for name, span, _ in youtube.log if name == path and span]
    assert ranges == [f"bytes={had}-"], "only the rest was asked for"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_download_gives_its_video_back_at_once(
    start, urls, youtube, catalog_path, how
):
    youtube.script["/media/film-0.mp4"] = ["ok", "drip"]
    process, printed = start()
    part = wait_for_partial_file(catalog_path)
    os.kill(process.pid, how)
    code, output = finish(process, printed)
    assert code == 128 + how and "run the same command again" in output, output
    assert outcomes(catalog_path, urls[0]) == ["released"]
    assert part.exists()
    with Catalog(catalog_path) as catalog:
        assert catalog.claims.take("download", "another").video_id == id_of_url(urls[0])


def test_several_processes_share_the_work_without_doing_any_twice(
    start, urls, youtube, catalog_path, picture_bytes
):
    running = [start({"--workers": "2"}) for _ in range(2)]
    for process, printed in running:
        code, output = finish(process, printed)
        assert code == 0, output
    everything_is_here_once(catalog_path, urls, picture_bytes)
    for number, url in enumerate(urls):
        assert outcomes(catalog_path, url) == ["downloaded"]
        asked = [name for name, _, _ in youtube.log if name == f"/media/film-{number}.mp4"]
        assert len(asked) == 2, "the page and the file, once each"
