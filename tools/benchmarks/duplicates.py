"""Time the search for duplicates: ``PYTHONPATH=tools python -m benchmarks.duplicates``.

Makes fingerprints of recordings of 10 s. One in a hundred is a copy of another one (turned by any
angle, trimmed by 2.3 s, with coding noise), and one in a hundred shows the place of another one at
another time. Then finds them as ``yt360 dedup`` does, on one core; times are CPU seconds.

The second table is of the index alone, for larger totals: words of random vectors of 100 numbers,
in which unrelated recordings differ in as many bits as real ones do (50 % ± 5 %), and copies in 6 %
of the picture and 15 % of the audio.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from yt360.duplicates import audio, picture
from yt360.duplicates.config import DedupConfig
from yt360.duplicates.fingerprint import Fingerprint, RecordingFacts, Skipped
from yt360.duplicates.index import WORDS, find_candidates, hash_words
from yt360.duplicates.run import Index, compare_all, make_fingerprints
from yt360.duplicates.store import FingerprintStore
from yt360.execution.local import WorkerPool
from yt360.randomness import keyed_generator

SECONDS, TRIMMED_S = 10.0, 2.25
COPY, PLACE, EVERY = 1, 2, 100
PER_FILE = 200


@dataclass(frozen=True)
class MadeSource:
    """Some made recordings: numbers `first` to `first` + `count` of `total`."""

    first: int
    count: int
    total: int

    @property
    def identity(self) -> str:
        """Its numbers."""
        return f"made {self.first} {self.count} {self.total}"

    def fingerprints(self) -> tuple[list[Fingerprint], list[Skipped]]:
        """Make the fingerprints."""
        numbers = range(self.first, self.first + self.count)
        return [make(number, self.total) for number in numbers], []

    def thumbnails(self, _moments: Sequence[tuple[str, float]]) -> Iterator[np.ndarray]:
        """Return nothing: there are no frames to show."""
        return iter(())


def original(number: int, total: int) -> int:
    """Return the recording that a copy, or another moment of a place, belongs to."""
    draws = keyed_generator(number, "original")
    return EVERY * int(draws.integers(total // EVERY))


def make(number: int, total: int) -> Fingerprint:
    """Return the fingerprint of a recording."""
    role = number % EVERY
    place = original(number, total) if role in (COPY, PLACE) else number
    moment = place if role == COPY else number
    grids, features = film(place, moment), sound(moment)
    if role == COPY:
        draws = keyed_generator(number, "copy")
        grids = np.roll(grids[round(TRIMMED_S * picture.FPS) :], int(draws.integers(64)), axis=2)
        noise = draws.normal(0, 1.5, grids.shape)
        grids = grids + noise
        features = features[round(TRIMMED_S * audio.FPS) :]
        features = features + draws.normal(0, 10, features.shape)
    return Fingerprint(
        RecordingFacts(video_id=f"v{number}", start_s=0.0),
        np.clip(grids, 0, 255).astype(np.uint8),
        np.clip(features, -127, 127).astype(np.int8),
    )


def film(place: int, moment: int) -> np.ndarray:
    """Return frames (T, R, W): a place in which something moves."""
    draws = keyed_generator(place, "place")
    shape = picture.NUM_ROWS, picture.WIDTH // 2 + 1
    spectrum = draws.normal(size=shape) + 1j * draws.normal(size=shape)
    spectrum = spectrum / np.maximum(np.arange(shape[1]), 1)
    rows = np.fft.irfft(spectrum, axis=1)
    smooth = np.sum([np.roll(rows, shift, axis=0) for shift in range(-2, 3)], axis=0)
    background = 128 + 40 * (smooth - smooth.mean()) / smooth.std()
    draws = keyed_generator(moment, "moment")
    times = np.arange(round(SECONDS * picture.FPS)) / picture.FPS
    frames = np.repeat(background.astype(np.float32)[None], len(times), 0)
    start, speed, height, phase = draws.uniform(0, 1, 4)
    x = 64 * (start + (0.02 + 0.1 * speed) * times)[:, None]
    y = 22 * (0.5 + 0.4 * (height - 0.5) + 0.1 * np.sin(times + 6 * phase))[:, None]
    across = np.exp(-((((np.arange(64) - x + 32) % 64 - 32) / 3) ** 2)).astype(np.float32)
    down = np.exp(-(((np.arange(22) - y) / 2) ** 2)).astype(np.float32)
    frames += 35 * down[:, :, None] * across[:, None]
    return frames


def sound(moment: int) -> np.ndarray:
    """Return audio features (S, 8)."""
    draws = keyed_generator(moment, "sound")
    noise = draws.normal(0, 60, (round(SECONDS * audio.FPS) + 3, audio.FEATURES))
    return (noise[3:] + noise[2:-1] + noise[1:-2] + noise[:-3]) / 2


class _OneProcess:
    """Runs tasks in this process, whose CPU time is measured."""

    def run(self, function: Callable[[Any], Any], tasks: deque[Any]) -> Iterator[tuple[Any, Any]]:
        while tasks:
            task = tasks.popleft()
            yield task, function(task)


def measure(total: int, workers: int) -> None:
    """Search `total` recordings and print a line of the table."""
    sources = [
        MadeSource(first, min(PER_FILE, total - first), total)
        for first in range(0, total, PER_FILE)
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store = FingerprintStore(Path(folder))
        with WorkerPool(workers) as pool:
            make_fingerprints(pool, store, sources)
        stored_mb = sum(path.stat().st_size for path in store.folder.iterdir()) / 1e6
        times = [time.process_time()]
        index = Index.read(store, sources)
        times.append(time.process_time())
        candidates = list(index.candidates())
        times.append(time.process_time())
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pairs = list(compare_all(_OneProcess(), index, candidates, store, DedupConfig()))
        times.append(time.process_time())
    kinds = {(int(p.video_a[1:]), int(p.video_b[1:])): p.match.kind for p in pairs}
    copies = {(n, original(n, total)) for n in range(COPY, total, EVERY)}
    found = sum(kinds.get((min(pair), max(pair))) == "same-footage" for pair in copies)
    # Two copies of one recording are the same footage, too.
    of = {n: original(n, total) if n % EVERY == COPY else n for n in range(total)}
    false = sum(kind == "same-footage" and of[a] != of[b] for (a, b), kind in kinds.items())
    steps = "".join(f"{after - before:>9.1f}" for before, after in pairwise(times))
    print(
        f"{total:>9}{steps}{peak_mb:>9.0f}{stored_mb:>9.0f}{len(candidates):>11}"
        f"{found / len(copies):>9.1%}{false:>7}  {dict(Counter(kinds.values()))}",
        flush=True,
    )


def measure_index(total: int) -> None:
    """Look up the words of `total` recordings and print a line of the second table."""
    numbers = np.arange(total)
    copies = {(n, original(n, total)) for n in range(COPY, total, EVERY)}
    found: set[tuple[int, int]] = set()
    took_s = 0.0
    for what, rows, noise in (("picture", 20, 0.2), ("audio", 75, 0.5)):
        words = np.empty((total * rows, WORDS), np.uint32)
        for number in range(total):
            source = original(number, total) if number % EVERY == COPY else number
            # A still camera shows nearly the same all the time, audio does not.
            vectors = keyed_generator(source, what).standard_normal((rows, 100), dtype=np.float32)
            if what == "picture":
                vectors = vectors[:1] + 0.1 * vectors
            if source != number:
                draws = keyed_generator(number, what, "noise")
                vectors = vectors + noise * draws.standard_normal(vectors.shape, dtype=np.float32)
            words[number * rows : (number + 1) * rows] = hash_words(vectors)
        started = time.process_time()
        pairs = find_candidates(words, np.repeat(numbers, rows), numbers).pairs
        took_s += time.process_time() - started
        found |= {(int(a), int(b)) for a, b in pairs}
        del words
    recall = sum((min(pair), max(pair)) in found for pair in copies) / len(copies)
    of = {n: original(n, total) if n % EVERY == COPY else n for n in range(total)}
    false = sum(of[a] != of[b] for a, b in found)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{total:>9}{took_s:>9.1f}{peak_mb:>9.0f}{recall:>9.1%}{false:>11}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--totals", type=int, nargs="*", default=[3_000, 10_000])
    parser.add_argument("--index", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(
        f"{'clips':>9}{'read s':>9}{'index s':>9}{'pairs s':>9}{'peak MB':>9}{'disk MB':>9}"
        f"{'candidates':>11}{'recall':>9}{'false':>7}"
    )
    for total in options.totals:
        measure(total, options.workers)
    print(f"{'clips':>9}{'index s':>9}{'peak MB':>9}{'recall':>9}{'false':>11}")
    for total in options.index:
        measure_index(total)


if __name__ == "__main__":
    main()
