"""What the page's renderer lets the two ears hear."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.viewer_site import made_clip, viewer_page

# Renders the clip's decoded channels, looking to an azimuth and from the middle on to `turn`,
# both in degrees. Returns the RMS of [left, right] in each half, relative to that of W.
RENDER = """async ({ mode, azimuth, turn, elevation }) => {
    const { FieldRenderer } = await import("/static/viewer/binaural.js");
    const bytes = await (await fetch("clips/0/audio.flac")).arrayBuffer();
    const context = new OfflineAudioContext(2, 48000, 48000);
    const buffer = await context.decodeAudioData(bytes);
    const field = new FieldRenderer(context);
    const view = (degrees) => ({
        azimuth: degrees * Math.PI / 180, elevation: (elevation ?? 0) * Math.PI / 180,
    });
    field.setMode(mode ?? "binaural", null);
    field.setView(view(azimuth ?? 0), null);
    if (turn !== undefined) field.setView(view(turn), 0.5);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(field.input);
    source.start();
    const heard = await context.startRendering();
    const rms = (samples) => Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
    return [[2400, 24000], [28800, 48000]].map(([first, last]) => [0, 1].map((ear) =>
        rms(heard.getChannelData(ear).subarray(first, last)) /
        rms(buffer.getChannelData(0).subarray(first, last))));
}"""


# In about one of fifty processes, Chromium never finishes an offline rendering with HRTF panners.
FINISHES = """async () => {
    const context = new OfflineAudioContext(2, 480, 48000);
    new PannerNode(context, { panningModel: "HRTF" }).connect(context.destination);
    const late = new Promise((resolve) => setTimeout(() => resolve(null), 10000));
    return (await Promise.race([context.startRendering(), late])) !== null;
}"""


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a page beside a clip of noise from the left, in a process that can render."""
    site = Path(tmp_path_factory.mktemp("site"))
    made_clip(site / "clips" / "0", [(90, 0)])
    with ExitStack() as stack:
        pages = (stack.enter_context(viewer_page(browser, site)) for _ in range(4))
        yield next(each for each in pages if each.evaluate(FINISHES))


def heard(page: Any, **arguments: Any) -> list[list[float]]:
    """Return the level of [left, right] against W in the first and second half of a second."""
    halves: list[list[float]] = page.evaluate(RENDER, arguments)
    return halves


def test_a_source_on_the_left_is_louder_in_the_left_ear_by_the_expected_ratio(page):
    """The levels of ears were measured with the same loudspeakers and a turned listener."""
    left, right = heard(page)[0]
    assert left / right == pytest.approx(0.242 / 0.104, rel=0.1)


@pytest.mark.parametrize(("azimuth", "ratio"), [(90, 1.0), (180, 0.104 / 0.242), (-90, 1.0)])
def test_the_ears_change_roles_as_the_head_turns(page, azimuth, ratio):
    left, right = heard(page, azimuth=azimuth)[0]
    assert left / right == pytest.approx(ratio, rel=0.1)


def test_a_source_moves_from_ear_to_ear_while_the_view_turns(page):
    (left, right), (left_after, right_after) = heard(page, azimuth=0, turn=180)
    assert left / right > 2
    assert right_after / left_after > 2


def test_mono_is_the_same_in_both_ears_wherever_one_looks(page):
    (left, right), (left_after, right_after) = heard(page, mode="mono", azimuth=0, turn=90)
    assert left == pytest.approx(right, rel=1e-5)
    assert left_after == pytest.approx(right_after, rel=1e-5)
    assert [left, left_after] == pytest.approx([1, 1], rel=1e-3)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "gain"), [(90, 0, 1.0), (0, 0, 0.5), (-90, 0, 0.0), (90, 60, 0.75)]
)
def test_a_beam_hears_as_a_cardioid_to_where_one_looks(page, azimuth, elevation, gain):
    left, right = heard(page, mode="beam", azimuth=azimuth, elevation=elevation)[0]
    assert left == pytest.approx(right, rel=1e-5, abs=1e-9)
    assert left == pytest.approx(gain, rel=1e-3, abs=1e-3)


def test_a_source_in_front_is_about_as_loud_in_every_mode(page):
    """Nobody should have to reach for the volume after switching."""
    mono, binaural, beam = (
        sum(x * x for x in heard(page, mode=mode, azimuth=90)[0]) ** 0.5
        for mode in ("mono", "binaural", "beam")
    )
    assert binaural == pytest.approx(mono, rel=0.12)  # 1 dB
    assert beam == pytest.approx(mono, rel=0.12)


def test_the_meter_finds_the_direction_of_the_source(page):
    found = page.evaluate("""async () => {
        const { covariance, soundDirection } = await import("/static/viewer/field_analysis.js");
        const context = new OfflineAudioContext(2, 48000, 48000);
        const bytes = await (await fetch("clips/0/audio.flac")).arrayBuffer();
        const buffer = await context.decodeAudioData(bytes);
        const channels = [0, 1, 2, 3].map((channel) => buffer.getChannelData(channel));
        return soundDirection(covariance(channels, 10000, 4800));
    }""")
    assert found["vector"] == pytest.approx([0, 1, 0], abs=1e-3)
    assert found["focus"] == pytest.approx(1, abs=1e-3)
    assert found["level"] == pytest.approx(-20.7, abs=0.3)
