"""Mix narrations over real recordings, and print how many the post-production check finds.

    PYTHONPATH=tools python -m quality.over_recordings FOLDER

FOLDER holds recordings. Those are used that the spatial-audio check accepts as they are. Narrations
are synthesized by eSpeak NG in four languages; they speak for half of the time or more. Neither the
recordings as they are (the last lines) must be found, nor the voice of a person at the recording: a
voice with a direction, in a room, picked up with the recording's own gain in each octave.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.signal import oaconvolve

from quality.narration import mixed_over, narration
from quality.sound_fields import AudioArray, Room, any_direction, impulse_response
from quality.sound_sources import Signal
from yt360.media.audio.reader import AudioReader
from yt360.media.layout.sound_field import BAND_EDGES_HZ, FieldAnalyzer
from yt360.media.probe import probe
from yt360.quality.checks import CHECKS
from yt360.quality.checks.base import AudioBlock
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator

LEVELS_DB = (-12, -6, 0, 6)
WAYS = ("w", "middle-side", "left-right", "a person")


@dataclass(frozen=True)
class Job:
    """One mix: how, at which level over which recording, by which voice; no way: as it is."""

    path: Path
    way: str = ""
    level_db: int = 0
    number: int = 0


def main() -> int:
    """Run the tool."""
    options = _parse()
    files = [path for path in sorted(options.folder.iterdir()) if _is_field(path)]
    voices = product(files, WAYS, LEVELS_DB, range(options.voices))
    jobs = [Job(path) for path in files] + [Job(*each) for each in voices]
    with multiprocessing.Pool(options.processes) as pool:
        results = list(zip(jobs, pool.imap(run_job, jobs, chunksize=4), strict=True))
    _print_table([it for it in results if it[0].way])
    if options.json:
        rows = [{**vars(job), "path": job.path.name, **it.as_json()} for job, it in results]
        options.json.write_text(json.dumps(rows, indent=1))
    for job, verdict in results:
        if not job.way:
            numbers = ", ".join(f"{name} {value:.3g}" for name, value in verdict.numbers.items())
            print(f"{job.path.name}: {verdict.outcome.value} {verdict.reason} ({numbers})")
    return 0


def run_job(job: Job) -> Verdict:
    """Return the verdict on one mix."""
    audio, rate_hz = _read(job.path)
    rng = keyed_generator(1, job.path.name, job.way, job.number)  # the same voice at all levels
    if job.way:
        voice = narration(rng, audio.shape[1], rate_hz, float(rng.choice([0.5, 0.7, 1.0])))
        if job.way == "a person":
            audio = audio + _person(rng, audio, voice, job.level_db, rate_hz)
        else:
            audio = mixed_over(rng, audio, voice, job.level_db, job.way)  # type: ignore[arg-type]
    return _verdict("post-production", audio, rate_hz)


def _verdict(name: str, audio: AudioArray, rate_hz: int) -> Verdict:
    """Return the verdict of a check on ambiX (4, S)."""
    samples = audio.astype(np.float32)
    check = CHECKS.load(name)().build()
    check.add_audio(AudioBlock(samples, samples[0], rate_hz))
    for segment in FieldAnalyzer(rate_hz).feed(samples):
        check.add_field(segment, segment)
    verdict = check.verdict({})
    assert verdict is not None
    return verdict


def _person(
    rng: np.random.Generator, audio: AudioArray, voice: Signal, level_db: float, rate_hz: int
) -> AudioArray:
    """Return a voice from a direction (4, S), picked up as by the microphone of a recording."""
    room = Room(float(rng.uniform(0.0, 0.8)), float(rng.uniform(-3, 12)), 12)
    response = impulse_response(rng, any_direction(rng, 1, 0.2)[0], room, rate_hz)
    spoken = oaconvolve(voice[None], response, axes=1)[:, : len(voice)]
    spoken *= 10 ** (level_db / 20) * np.sqrt(np.mean(audio[0] ** 2) / np.mean(spoken[0] ** 2))
    segments = FieldAnalyzer(rate_hz).feed(audio.astype(np.float32))
    power = np.real([np.einsum("bii->bi", segment.covariance) for segment in segments])
    ratio_db = 10 * np.log10((power[:, :, 1:].sum(2) + 1e-15) / (power[:, :, 0] + 1e-15))
    centres = np.log(np.sqrt(np.multiply(BAND_EDGES_HZ[:-1], BAND_EDGES_HZ[1:])))
    frequencies = np.log(np.maximum(np.fft.rfftfreq(len(voice), 1 / rate_hz), 1.0))
    gain_db = np.interp(frequencies, centres, np.clip(np.median(ratio_db, axis=0), -6, 8))
    spectrum = np.fft.rfft(spoken[1:], axis=1) * 10 ** (gain_db / 20)
    spoken[1:] = np.fft.irfft(spectrum, n=len(voice), axis=1)
    return np.asarray(spoken)


def _read(path: Path) -> tuple[AudioArray, int]:
    stream = probe(path).audio[0]
    count = round((stream.end_s - stream.start_s) * stream.sample_rate_hz)
    with AudioReader(path, stream.position) as reader:
        samples, _ = reader.read(round(stream.start_s * stream.sample_rate_hz), count)
    return samples[:4].astype(np.float64), stream.sample_rate_hz


def _is_field(path: Path) -> bool:
    streams = probe(path).audio
    if not streams or streams[0].channels < 4:
        return False
    return _verdict("spatial-audio", *_read(path)).outcome is Outcome.OK


def _print_table(results: list[tuple[Job, Verdict]]) -> None:
    found: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for job, verdict in results:
        found[job.way, job.level_db].append(verdict.outcome is Outcome.NOT_OK)
    print("| mixed into | " + " | ".join(f"{level:+d} dB" for level in LEVELS_DB) + " |")
    for way in WAYS:
        cells = [found[way, level] for level in LEVELS_DB]
        print(f"| {way} | " + " | ".join(f"{sum(it)}/{len(it)}" for it in cells) + " |")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--voices", type=int, default=2, help="narrations per recording and row")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write every mix here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
