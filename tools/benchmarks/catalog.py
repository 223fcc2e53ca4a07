"""Time a catalog of a million videos: ``PYTHONPATH=tools python -m benchmarks.catalog``.

Makes a catalog with videos in every state, attempts, verdicts and clips, then times
the operations of users and workers, each on a separate connection, as commands have.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from yt360.catalog import Catalog, Claim, Job
from yt360.catalog.ids import id_of_url
from yt360.catalog.records import STATES
from yt360.catalog.reports.summary import summarize, summary_lines
from yt360.catalog.reports.video_report import video_lines

REASONS = ("no-spatial-audio", "removed", "private", "geo", "http-403", "too-short", "silent")
LIMIT_MS = 50.0


def main() -> None:
    """Make the catalog and print the timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.catalog"
        started = time.perf_counter()
        fill(path, options.videos)
        size_mb = path.stat().st_size / 1e6
        took = time.perf_counter() - started
        print(f"{options.videos} videos, {size_mb:.0f} MB, made in {took:.0f} s")
        print(f"{'operation':<42}{'median ms':>10}{'worst ms':>10}")
        slow = []
        for name, action in operations(path, options.videos):
            times = [timed(action) for _ in range(options.repeats)]
            median, worst = statistics.median(times), max(times)
            print(f"{name:<42}{median:>10.2f}{worst:>10.2f}")
            if median > LIMIT_MS:
                slow.append(name)
    if slow:
        raise SystemExit(f"over {LIMIT_MS:.0f} ms: {', '.join(slow)}")


def video_ids(count: int) -> Iterator[str]:
    """Yield `count` different video ids."""
    return (id_of_url(f"http://bench/{number}") for number in range(count))


def fill(path: Path, count: int) -> None:
    """Fill a catalog: states in equal parts, two clips and a verdict for each accepted video."""
    with Catalog(path, create=True) as catalog, catalog.transaction():
        for number, video_id in enumerate(video_ids(count), 1):
            state = STATES[number % len(STATES)]
            reason = REASONS[number % len(REASONS)] if number % len(STATES) > 3 else None
            catalog.execute(
                "INSERT INTO videos (number, video_id, state, reason, channel_id, duration_s, "
                "title, added_at, changed_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
                (
                    number,
                    video_id,
                    state,
                    reason,
                    f"UC{number % 5000:022d}",
                    300.0,
                    f"Video number {number}",
                    1e12 if number % 2 else 0.0,  # half of them are deferred after a failed try
                ),
            )
            if state != "found":
                catalog.execute(
                    "INSERT INTO attempts (video, job, worker, started_at, ended_at, outcome) "
                    "VALUES (?, 'download', 'bench', 0, 1, ?)",
                    (number, state),
                )
            if state == "accepted":
                catalog.execute(
                    "INSERT INTO verdicts (video, kind, verdict, made_at) VALUES (?, 'still', "
                    "'pass', 0)",
                    (number,),
                )
                catalog.connection.executemany(
                    "INSERT INTO clips (video, start_s, duration_s, origin, kept) "
                    "VALUES (?, ?, 10, 'inspect', 1)",
                    [(number, 0), (number, 10)],
                )


def operations(path: Path, count: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the operations to time."""
    known = id_of_url(f"http://bench/{count // 2}")

    def show() -> object:
        with Catalog(path) as catalog:
            return list(summary_lines(summarize(catalog)))

    def story() -> object:
        with Catalog(path) as catalog:
            return list(video_lines(catalog, known))

    yield "open and show", show
    yield "open and show one video", story
    worker = Catalog(path)
    taken: list[Claim] = []

    def take(job: Job) -> Claim:
        claim = worker.claims.take(job, "bench")
        assert claim is not None
        return claim

    def finish() -> None:
        worker.claims.finish(taken.pop(), "downloaded")

    def defer() -> None:
        worker.claims.defer(take("download"), 60.0, "http-403", "x")

    yield "claim a video to download", lambda: taken.append(take("download"))
    yield "finish a download", finish
    yield "claim and defer a download", defer
    yield "claim a video to inspect", lambda: take("inspect")
    yield "ask when the next is due", lambda: worker.claims.next_due_s("download")
    yield "add a known video again", lambda: worker.videos.add(known, title="x")
    worker.close()


def timed(action: Callable[[], object]) -> float:
    """Return the milliseconds that an action takes."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
