"""The labelled cases of `quality.report`: what is made, and what should be found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quality import videos
from quality.audio import KINDS as AUDIO_KINDS
from quality.audio import AudioExample, add_noise, make_audio, with_audio
from quality.coding import YOUTUBE_CODINGS, code
from quality.hot import make_hot
from quality.turning import make_turning
from quality.writing import write_video_example
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.video.frame_triplets import read_frame_triplets
from yt360.quality.checks import CHECKS
from yt360.quality.checks.base import AudioBlock, Check
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator

RATE_HZ = 48_000
SOUND_S, PICTURE_S, TURNING_S = 6.0, 20.0, 30.0
# What should be done with a recording; reasons that lead to the same are one answer.
USABLE = {"ok"}
CONVERTIBLE = {"fuma", "n3d"}

# What is known of the real recordings, from those who made or published them.
REAL: dict[str, dict[str, str]] = {
    "foa/beach.mp4": {"spatial-audio": "ambix", "silence": "sounding", "clipping": "intact"},
    "foa/fuma-speech.mp4": {"spatial-audio": "fuma", "silence": "sounding"},
    "real-clips/kqAZkf5Odyw-80.mp4": {
        "spatial-audio": "ambix", "silence": "sounding", "post-production": "recorded",
        "still-image": "moving", "picture": "moving", "duration": "equal", "clipping": "intact",
    },
    "real-clips/kqAZkf5Odyw-80.m4a": {"spatial-audio": "ambix", "post-production": "recorded"},
    "real-clips/calibration.mp4": {
        "spatial-audio": "ambix", "silence": "sounding", "post-production": "recorded",
        "still-image": "photo", "picture": "frozen", "duration": "equal",
    },
    "panorama/test-room-mono.mp4": {
        "spatial-audio": "no-spatial-track", "still-image": "moving", "picture": "moving",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One case: which test, what is made, coded or not, and the key of its draws."""

    case: str
    kind: str
    variant: str
    seed: int
    number: int


@dataclass(frozen=True)
class Result:
    """What was found in one case.

    Attributes:
        job: The case.
        expected: ``"ok"``, or the reason of the defect.
        found: The same, or ``"unsure"``.
        right: Whether the answer is the expected one.
        numbers: Of the verdict, and the settings of the draw.
    """

    job: Job
    expected: str
    found: str
    right: bool
    numbers: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self.job), "expected": self.expected, "found": self.found,
                "right": self.right, "numbers": self.numbers}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A test with its kinds of made recordings.

    Attributes:
        kinds: What is made.
        run: Makes one and returns what is expected and the verdict.
        deciding: Numbers of the verdict that thresholds cut.
        undecidable: Kinds for which ``"unsure"`` is a right answer, see `docs/quality.md`.
        variants: Which of clean and coded.
    """

    kinds: tuple[str, ...]
    run: Callable[[Job], tuple[str, Verdict, dict[str, float]]]
    deciding: tuple[str, ...]
    undecidable: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("clean", "coded")


def run_job(job: Job) -> Result:
    """Make one case and judge it."""
    case = CASES[job.case]
    expected, verdict, facts = case.run(job)
    found = _found(verdict)
    right = _answer(found) == _answer(expected)
    right |= found == "unsure" and job.kind in case.undecidable
    numbers = {name: float(value) for name, value in {**verdict.numbers, **facts}.items()}
    return Result(job, expected, found, right, numbers)


def _found(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.UNSURE:
        return "unsure"
    return "ok" if verdict.outcome is Outcome.OK else verdict.reason


def _answer(found: str) -> str:
    """Return what is done with a recording: keep, convert, drop, or ask."""
    return found if found in USABLE | CONVERTIBLE | {"unsure"} else "drop"


def _rng(job: Job) -> np.random.Generator:
    # The variant is no part of the key: the coded case is the clean one, coded.
    return keyed_generator(job.seed, job.case, job.kind, job.number)


def _sound(job: Job, rng: np.random.Generator) -> AudioExample:
    example = make_audio(job.kind, rng, SOUND_S, RATE_HZ)
    if job.variant == "clean":
        return example
    noisy = add_noise(example, rng, rng.uniform(20, 50))
    return with_audio(noisy, _coded(noisy.audio, rng))


def _coded(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    names = sorted(YOUTUBE_CODINGS)
    coding = YOUTUBE_CODINGS[names[int(rng.integers(len(names)))]]
    return code(audio, RATE_HZ, coding)


def _check(name: str) -> Check:
    return CHECKS.load(name)().build()


def _verdict(check: Check) -> Verdict:
    verdict = check.verdict({})
    assert verdict is not None
    return verdict


def _heard(name: str, audio: np.ndarray, rate_hz: int = RATE_HZ) -> Check:
    """Return a check that has got the sound field of some audio (4, S)."""
    check = _check(name)
    for segment in FieldAnalyzer(rate_hz).feed(audio.astype(np.float32)):
        check.add_field(segment, segment)
    return check


def _spatial(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    example = _sound(job, _rng(job))
    return example.spatial, _verdict(_heard("spatial-audio", example.audio)), example.facts


def _post_production(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    example = _sound(job, _rng(job))
    expected = {"voice-over": "w-overlay", "stereo-bed": "stereo-overlay"}.get(job.kind, "ok")
    return expected, _verdict(_heard("post-production", example.audio)), example.facts


def _turning(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    rate_hz = RATE_HZ // 2
    example = make_turning(_rng(job), job.kind == "head-fixed", TURNING_S, rate_hz)
    check = _heard("post-production", example.audio, rate_hz)
    for frames in example.frames:
        check.add_frames(frames)
    return "fixed-direction" if example.fixed else "ok", _verdict(check), {}


def _clipping(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    rng = _rng(job)
    audio = make_hot(rng, job.kind == "clipped", SOUND_S, RATE_HZ)
    audio = audio if job.variant == "clean" else _coded(audio, rng)
    check, samples = _check("clipping"), audio.astype(np.float32)
    check.add_audio(AudioBlock(samples, samples[0], RATE_HZ))
    return "clipped" if job.kind == "clipped" else "ok", _verdict(check), {}


def _film(job: Job, check: Check) -> videos.VideoExample:
    rng = _rng(job)
    example = videos.make_video(job.kind, rng, PICTURE_S)
    crf = 18 if job.variant == "clean" else int(rng.integers(26, 36))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mkv"
        write_video_example(path, example, crf=crf, gop=int(rng.integers(20, 60)))
        for frames in read_frame_triplets(path):
            check.add_frames(frames)
    return example


def _still(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    check = _check("still-image")
    example = _film(job, check)
    verdict = _verdict(check)
    # A photo under an animated logo is a photo.
    expected = verdict.reason if verdict.reason.startswith("photo") else "photo"
    return expected if example.still else "ok", verdict, {}


def _picture(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    check = _check("picture")
    example = _film(job, check)
    return "ok" if example.picture == "moving" else str(example.picture), _verdict(check), {}


SOUND_KINDS = tuple(AUDIO_KINDS)
FIELDS = tuple(kind for kind, (_, _, laid_over) in AUDIO_KINDS.items() if laid_over is not None)

CASES: dict[str, Case] = {
    "spatial-audio": Case(
        SOUND_KINDS,
        _spatial,
        ("gain_db", "field", "agreement", "copied_coherence", "one_axis_share"),
    ),
    "post-production": Case(FIELDS, _post_production, ("excess_w_share", "excess_lateral_share")),
    "turning": Case(
        ("world-fixed", "head-fixed"), _turning, ("turns", "follows_picture"), variants=("clean",)
    ),
    "clipping": Case(("clipped", "intact"), _clipping, ("clipped_share", "pile")),
    "still-image": Case(
        tuple(kind for kind, (_, still, _) in videos.KINDS.items() if still is not None),
        _still,
        ("still_share", "skipped_share", "unchanged_share", "compact_share"),
        undecidable=("photo-logo", "performer"),
    ),
    "picture": Case(
        tuple(kind for kind, (_, _, found) in videos.KINDS.items() if found is not None),
        _picture,
        ("blank_share", "longest_frozen_s", "frozen_share"),
    ),
}
