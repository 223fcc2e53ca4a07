"""Video that is not 360°, or in another projection, is reported with a reason."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.errors import user_error
from helpers.quality_checks import inspect_inline, make_check, states, write_catalog
from quality import layouts
from quality.layouts import draw_layout

from yt360.catalog import Catalog, MediaFile
from yt360.catalog.build_inputs import catalog_inputs
from yt360.errors import BadItem
from yt360.media.containers.spherical import Projection
from yt360.media.containers.tagging import tag_spherical
from yt360.media.source import open_source
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.media.video.projection import ResolvedProjection
from yt360.quality.checks.base import Part
from yt360.quality.inspect import InspectOptions, Inspector, inspect_file
from yt360.quality.verdict import Outcome, Verdict
from yt360.randomness import keyed_generator

HALF = Projection("equirectangular", horizontal_part=0.5)
# Name -> width, height, tag, and the reason for which it is refused ("" for none).
FILMS: dict[str, tuple[int, int, Projection | None, str]] = {
    "untagged360": (240, 120, None, ""),
    "tagged-360-": (240, 160, Projection("equirectangular"), ""),
    "tagged-180-": (240, 240, HALF, "vr180"),
    "portrait---": (120, 240, None, "not-360"),
    "eyes-apart-": (
        240,
        240,
        Projection("equirectangular", stereo_mode="custom"),
        "unknown-stereo-mode",
    ),
}


def write_moving_film(path: Path, width: int, height: int, tag: Projection | None) -> None:
    noise = np.random.default_rng(0).integers(40, 200, (height // 20, width // 20), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "threads": "1"}
        for number in range(55):
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = np.roll(noise.repeat(20, 0).repeat(20, 1), 3 * number, axis=1)
            # Something that no motion of the whole explains.
            planes[height // 2 :, number * 4 : number * 4 + 20] = 10
            planes[height // 4 :, -number * 3 - 20 :] //= 2
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
    if tag is not None:
        tag_spherical(path, tag)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name, (width, height, tag, _) in FILMS.items():
        write_moving_film(folder / f"{name}.mp4", width, height, tag)
        (folder / f"{name}.wav").symlink_to(recordings / "good.wav")
    return folder


def test_a_stated_projection_is_believed_and_an_unknown_one_is_a_bad_request(folder: Path) -> None:
    stated = InspectOptions(projection="equirectangular")
    verdict = inspect_file(folder / "portrait---.mp4", options=stated).verdicts["projection"]
    assert verdict.outcome is Outcome.OK
    with user_error("unknown-name"):
        inspect_file(folder / "portrait---.mp4", options=InspectOptions(projection="eacc"))


def test_one_bad_section_speaks_for_the_recording(folder: Path) -> None:
    inspector = Inspector("sections")
    for name in ("portrait---", "untagged360"):
        inspector.add(folder / f"{name}.mp4", [folder / f"{name}.wav"])
    assert inspector.finish().verdicts["projection"].reason == "not-360"


def test_the_verdict_is_the_answer_of_the_conversion(folder: Path, tmp_path: Path) -> None:
    files = {name: (f"{name}.mp4", f"{name}.wav") for name in FILMS}
    path = write_catalog(tmp_path / "my.catalog", folder, files)
    with Catalog(path) as catalog:
        catalog.videos.add("no-picture-")
        catalog.videos.requeue(["no-picture-"], "downloaded")
        catalog.files.put("no-picture-", MediaFile(role="both", path="portrait---.wav", bytes=1))
    inspect_inline(path)
    assert states(path)["no-picture-"] == ("failed", "no-video")
    for name, (_, _, _, refusal) in FILMS.items():
        with Catalog(path) as catalog:
            verdict = catalog.verdicts.of(name)["projection"]
        found = states(path)[name], verdict.verdict, verdict.numbers["reason"]
        try:
            source = open_source(folder / f"{name}.mp4", [folder / f"{name}.wav"])
            assert found == (("accepted", None), "ok", source.projection.kind)
            assert refusal == ""
        except BadItem as error:
            assert found == (("rejected", error.reason), "not ok", error.reason)
            assert refusal == error.reason
    with Catalog(path) as catalog:
        for item in catalog_inputs(catalog).videos:
            open_source(item.video, item.companions)


def judged(kind: str, assumed: ResolvedProjection, **options: float) -> Verdict:
    frame = layouts.scaled(draw_layout(kind, keyed_generator(6, kind)), 288, 576)
    check = make_check("projection", **options)
    check.begin_part(Part(projection=assumed))
    for time_s in range(3):
        check.add_frames(FrameTriplet(float(time_s), np.stack([frame] * 3)))
    verdict = check.verdict({})
    assert verdict == replace(check.config.judge(verdict.numbers, {}), numbers=verdict.numbers,
                              is_measured=True)  # fmt: skip
    return verdict


@pytest.mark.parametrize("kind", ["equirectangular", "dark-edges", "eac", "vr180-sbs", "flat"])
@pytest.mark.parametrize("source", ["tagged", "guessed"])
def test_pixels_that_contradict_the_projection_are_reported(kind, source):
    assumed = ResolvedProjection("equirectangular", "mono", 480, 240, source=source)
    verdict = judged(kind, assumed)
    if layouts.LAYOUTS[kind].expected == "ok":
        assert (verdict.outcome, verdict.reason) == (Outcome.OK, "equirectangular")
    else:
        assert (verdict.outcome, verdict.reason) == (
            Outcome.NOT_OK,
            layouts.LAYOUTS[kind].expected,
        )


def test_what_the_user_states_is_not_contradicted():
    stated = ResolvedProjection("eac", "mono", 480, 240, source="stated")
    assert judged("flat", stated).outcome is Outcome.OK


def test_a_projection_may_be_confirmed():
    eac = ResolvedProjection("eac", "mono", 480, 240)
    verdict = judged("eac", eac)
    assert (verdict.outcome, verdict.reason) == (Outcome.OK, "eac")
    assert verdict.defect_probability < 0.01
    assert judged("equirectangular", eac).reason == "other-projection"


def test_thresholds_apply_to_stored_numbers():
    assumed = ResolvedProjection("equirectangular", "mono", 480, 240)
    numbers = judged("flat", assumed).numbers
    lenient = make_check("projection", wrap_gap=5.0).config
    assert lenient.judge(numbers, {}).outcome is Outcome.OK
