"""The labelled cases of `quality.report`: generated recordings and expected verdicts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from quality import videos
from quality.audio import KINDS as AUDIO_KINDS
from quality.audio import AudioExample, add_noise, make_audio, with_audio
from quality.coding import YOUTUBE_CODINGS, code
from quality.hot import make_hot
from quality.layouts import LAYOUTS, draw_layout
from quality.mirrored import LEAST_DIRECTIONS, changed_audio, decidable_scenes, triplets
from quality.mirrored import RATE_HZ as SCENE_RATE_HZ
from quality.turning import make_turning
from quality.writing import av1, h264, vp9, write_video_example
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.video.frame_triplets import read_frame_triplets
from yt360.media.video.projection import ResolvedProjection
from yt360.quality.checks import CHECKS
from yt360.quality.checks.base import AudioBlock, Check, Part
from yt360.quality.signal.channel_changes import AS_READ, CHANGES
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator

RATE_HZ = 48_000
AUDIO_S, VIDEO_S, TURNING_S, SCENE_S, LAYOUT_S = 6.0, 20.0, 30.0, 20.0, 4.0
# Treatment of a recording; reasons with the same treatment are equivalent.
USABLE = {"ok"}
CONVERTIBLE = {"fuma-order"}

# Known properties of the real recordings, from their authors or publishers.
REAL: dict[str, dict[str, str]] = {
    "foa/beach.mp4": {"spatial-audio": "fuma-order", "silence": "sounding", "clipping": "intact"},
    "foa/fuma-speech.mp4": {"spatial-audio": "fuma-order", "silence": "sounding"},
    "real-clips/kqAZkf5Odyw-80.mp4": {
        "spatial-audio": "w-high", "silence": "sounding", "post-production": "recorded",
        "still-image": "moving", "picture": "moving", "duration": "equal", "clipping": "intact",
    },
    "real-clips/kqAZkf5Odyw-80.m4a": {"spatial-audio": "w-high", "post-production": "recorded"},
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
    """One case: its test, kind and variant, and the key of its random draws."""

    case: str
    kind: str
    variant: str
    seed: int
    number: int


@dataclass(frozen=True)
class Result:
    """The result of one case.

    Attributes:
        job: The case.
        expected: ``"ok"``, or the reason of the defect.
        found: The same, or ``"unsure"``.
        right: Whether the answer is the expected one.
        numbers: Measurements of the verdict, and the random settings.
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
    """A test with its kinds of generated recordings.

    Attributes:
        check: Name of the check.
        kinds: Kinds of recordings.
        run: Generates one; returns the expected result, the verdict and the random settings.
        deciding: Measurements of the verdict that have thresholds.
        undecidable: Kinds for which ``"unsure"`` is a right answer, see `docs/quality.md`.
        variants: Variants to run: clean, coded or both.
    """

    check: str
    kinds: tuple[str, ...]
    run: Callable[[Job], tuple[str, Verdict, dict[str, float]]]
    deciding: tuple[str, ...]
    undecidable: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("clean", "coded")


def run_job(job: Job) -> Result:
    """Generate one case and check it."""
    case = CASES[job.case]
    expected, verdict, facts = case.run(job)
    found = outcome_of(verdict)
    right = is_right(case, job.kind, expected, found)
    numbers = {name: float(value) for name, value in {**verdict.numbers, **facts}.items()}
    return Result(job, expected, found, right, numbers)


def is_right(case: Case, kind: str, expected: str, found: str) -> bool:
    """Return whether a recording of a kind is treated as expected; see `Result`."""
    if found == "unsure" and kind in case.undecidable:
        return True
    return _treatment(found) == _treatment(expected)


def outcome_of(verdict: Verdict) -> str:
    """Return ``"ok"``, ``"unsure"``, or the reason of a defect."""
    if verdict.outcome is Outcome.UNSURE:
        return "unsure"
    return "ok" if verdict.outcome is Outcome.OK else verdict.reason


def _treatment(found: str) -> str:
    """Return the treatment of a recording: keep, convert, drop, or unsure."""
    return found if found in USABLE | CONVERTIBLE | {"unsure"} else "drop"


def _rng(job: Job) -> np.random.Generator:
    # The key excludes the variant: the coded case is the clean one, coded.
    return keyed_generator(job.seed, job.case, job.kind, job.number)


def _audio_example(job: Job, rng: np.random.Generator) -> AudioExample:
    example = make_audio(job.kind, rng, AUDIO_S, RATE_HZ)
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


def _check_with_field(name: str, audio: np.ndarray, rate_hz: int = RATE_HZ) -> Check:
    """Return a check that has received audio (4, S) and its sound field."""
    check, samples = _check(name), audio.astype(np.float32)
    check.add_audio(AudioBlock(samples, samples[0], rate_hz))
    for segment in FieldAnalyzer(rate_hz).feed(samples):
        check.add_field(segment, segment)
    return check


def _spatial(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    example = _audio_example(job, _rng(job))
    return (
        example.spatial,
        _verdict(_check_with_field("spatial-audio", example.audio)),
        example.facts,
    )


def _post_production(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    example = _audio_example(job, _rng(job))
    expected = {"voice-over": "w-overlay", "stereo-bed": "stereo-overlay"}.get(job.kind, "ok")
    return expected, _verdict(_check_with_field("post-production", example.audio)), example.facts


def _turning(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    rate_hz = RATE_HZ // 2
    example = make_turning(_rng(job), job.kind == "head-fixed", TURNING_S, rate_hz)
    check = _check_with_field("post-production", example.audio, rate_hz)
    for frames in example.frames:
        check.add_frames(frames)
    return "fixed-direction" if example.fixed else "ok", _verdict(check), {}


def _av_agreement(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    change = next(change for change in CHANGES if change.name == job.kind)
    for scene in decidable_scenes(job.seed, job.number, change, SCENE_S):
        audio = changed_audio(scene, change, SCENE_S)
        check = _check_with_field("av-agreement", audio, SCENE_RATE_HZ)
        for frames in triplets(scene, SCENE_S):
            check.add_frames(frames)
        verdict = _verdict(check)
        # One source that drowns the others says too little; changes do not affect this number.
        if verdict.numbers.get("independent_moments", 0) >= LEAST_DIRECTIONS:
            return "ok" if change is AS_READ else change.reason, verdict, {}
    raise AssertionError


def _clipping(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    rng = _rng(job)
    audio = make_hot(rng, job.kind == "clipped", AUDIO_S, RATE_HZ)
    audio = audio if job.variant == "clean" else _coded(audio, rng)
    check, samples = _check("clipping"), audio.astype(np.float32)
    check.add_audio(AudioBlock(samples, samples[0], RATE_HZ))
    return "clipped" if job.kind == "clipped" else "ok", _verdict(check), {}


def _video_example(job: Job, check: Check) -> videos.VideoExample:
    rng = _rng(job)
    example = videos.make_video(job.kind, rng, VIDEO_S)
    _pass_frames(check, example, job, rng)
    return example


def _pass_frames(
    check: Check, example: videos.VideoExample, job: Job, rng: np.random.Generator
) -> None:
    crf, coder, rate = int(rng.integers(26, 36)), int(rng.integers(3)), rng.uniform(0.02, 0.06)
    coding = h264(18)
    if job.variant == "coded":
        coding = (h264(crf), vp9(rate), av1(crf + 10))[coder]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mkv"
        write_video_example(path, example, gop=int(rng.integers(20, 60)), coding=coding)
        for frames in read_frame_triplets(path):
            check.add_frames(frames)


def _still(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    check = _check("still-image")
    example = _video_example(job, check)
    verdict = _verdict(check)
    # A photo under graphics is a photo.
    expected = verdict.reason if verdict.reason.startswith("photo") else "photo"
    return expected if example.still else "ok", verdict, {}


def _picture(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    check = _check("picture")
    example = _video_example(job, check)
    return "ok" if example.picture == "moving" else str(example.picture), _verdict(check), {}


def _projection(job: Job) -> tuple[str, Verdict, dict[str, float]]:
    rng = _rng(job)
    image = draw_layout(job.kind, rng)
    check = _check("projection")
    # Every second recording is tagged, and some of the tags are wrong.
    source: Literal["tagged", "guessed"] = "tagged" if job.number % 2 else "guessed"
    size = (videos.WIDTH, videos.HEIGHT)
    assumed = ResolvedProjection("equirectangular", "mono", *size, source=source)
    check.begin_part(Part(projection=assumed))
    example = videos.VideoExample(job.kind, lambda _: image, LAYOUT_S, None, None)
    _pass_frames(check, example, job, rng)
    return LAYOUTS[job.kind].expected, _verdict(check), {"is_tagged": source == "tagged"}


SPATIAL_KINDS = tuple(AUDIO_KINDS)
FIELDS = tuple(kind for kind, (_, _, laid_over) in AUDIO_KINDS.items() if laid_over is not None)

CASES: dict[str, Case] = {
    "spatial-audio": Case(
        "spatial-audio",
        SPATIAL_KINDS,
        _spatial,
        ("w_gain_db", "field", "agreement", "copied_coherence", "one_axis_share"),
    ),
    "post-production": Case(
        "post-production",
        FIELDS,
        _post_production,
        ("excess_w_share", "excess_lateral_share", "added_db"),
    ),
    "turning": Case(
        "post-production",
        ("world-fixed", "head-fixed"),
        _turning,
        ("turns", "follows_picture"),
        variants=("clean",),
    ),
    "clipping": Case("clipping", ("clipped", "intact"), _clipping, ("clipped_share", "pile")),
    "av-agreement": Case(
        "av-agreement",
        tuple(change.name for change in CHANGES),
        _av_agreement,
        ("independent_moments", "directness", "chance", "offset_confidence"),
        # Sources may be diffuse, or close to other objects that move.
        undecidable=tuple(change.name for change in CHANGES),
        variants=("clean",),
    ),
    "still-image": Case(
        "still-image",
        tuple(kind for kind, (_, still, _) in videos.KINDS.items() if still is not None),
        _still,
        ("motion", "contrast", "resting_share", "unchanged_share", "drift_levels"),
        undecidable=("photo-logo", "photo-bars", "photo-grain", "empty-room"),
    ),
    "projection": Case(
        "projection",
        tuple(LAYOUTS),
        _projection,
        (
            "mono_wrap_gap",
            "mono_eac_gap",
            "left_right_halves_gap",
            "top_bottom_halves_gap",
            "fisheye_gap",
            "circle_overlap",
        ),
    ),
    "picture": Case(
        "picture",
        tuple(kind for kind, (_, _, found) in videos.KINDS.items() if found is not None),
        _picture,
        ("blank_share", "longest_frozen_s", "frozen_share"),
    ),
}
