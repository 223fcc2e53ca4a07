"""Parts of the viewer that need no clip: time line, maps, resolution, names of directions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.viewer_site import viewer_page


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with viewer_page(browser, Path(tmp_path_factory.mktemp("site"))) as opened:
        yield opened


def run(page: Any, module: str, body: str, argument: object = None) -> Any:
    source = f'const m = await import("/static/viewer/{module}.js");'
    return page.evaluate(f"async (a) => {{ {source} {body} }}", argument)


def test_a_film_is_interpolated_between_the_centres_of_its_frames(page):
    """Frame i is centred on (i + 1/2) times the step; beyond the ends it stays."""
    found = run(
        page,
        "layers",
        """const film = new m.MapFilm(new Uint8Array([0, 51, 255]), 1, 1, 0.2);
        return a.map((time) => film.valueAt(time, [1, 0, 0]));""",
        [0, 0.1, 0.2, 0.3, 0.5, 9],
    )
    assert found == pytest.approx([0, 0, 0.1, 0.2, 1, 1])


def test_a_film_reads_the_pixel_of_a_direction(page):
    """Left, front and right, and the pole above, in a map of two rows and four columns."""
    found = run(
        page,
        "layers",
        """const film = new m.MapFilm(new Uint8Array([0, 51, 102, 153, 0, 0, 0, 255]), 2, 4, 1);
        return a.map((vector) => film.valueAt(0, vector));""",
        [[0.1, 1, 0.1], [0.1, -1, 0.1], [-0.1, -1, -0.1], [-1, 0.001, 1]],
    )
    assert found == pytest.approx([0.2, 0.4, 1, 0])


def test_a_film_without_a_frame_is_refused(page):
    assert run(
        page,
        "layers",
        "try { new m.MapFilm(new Uint8Array(3), 2, 2, 1); return false; } catch { return true; }",
    )


def test_label_maps_are_fetched_once_and_only_some_are_held(page):
    """The map at a time and the next one are fetched; a broken one is not asked for again."""
    asked, held, broken = run(
        page,
        "layers",
        """const asked = [];
        const read = async (k) => {
            asked.push(k);
            if (k === 3) throw new Error("broken");
            return { k };
        };
        const times = Array.from({ length: 60 }, (_, k) => k);
        const maps = new m.LabelMaps(times, read, () => {});
        for (const time of [0, 0.4, 0, 2.2, 2.2]) {
            maps.at(time);
            await new Promise((done) => setTimeout(done));
        }
        const first = [...asked];
        for (const time of times.slice(10)) { maps.at(time); await Promise.resolve(); }
        await new Promise((done) => setTimeout(done));
        return [first, maps.maps.size, maps.at(3)];""",
    )
    assert asked == [0, 1, 2, 3]
    assert held <= 16
    assert broken is None


def test_columns_of_the_level_keep_the_loudest_step(page):
    level = {"step_s": 0.5, "db": [-60, -30, -90, 0]}
    found = run(page, "timeline", "return [...m.levelColumns(a, 2, 2)];", level)
    assert found == pytest.approx([0.5, 1])
    assert run(page, "timeline", "return [...m.levelColumns(null, 2, 2)];") == [0, 0]


def test_only_verdicts_with_a_time_are_on_the_time_line(page):
    verdicts = [
        {"name": "still", "text": "x", "start_s": -1, "end_s": 99},
        {"name": "whole clip", "text": "y"},
    ]
    marks = run(page, "timeline", "return m.timedMarks(a, 10);", verdicts)
    assert [(each["name"], each["start"], each["end"]) for each in marks] == [("still", 0, 10)]


def test_a_slow_picture_gets_coarser_and_a_fast_one_finer_again(page):
    coarse, fine = run(
        page,
        "resolution",
        """const resolution = new m.Resolution();
        let now = 0, scale = 1;
        for (let i = 0; i < 60; i += 1) { now += 60; scale = resolution.moving(now); }
        const coarse = scale;
        for (let i = 0; i < 200; i += 1) { now += 16; scale = resolution.moving(now); }
        return [coarse, scale];""",
    )
    assert coarse == pytest.approx(0.4)
    assert fine == 1


def test_a_rest_between_two_turns_is_no_slow_frame(page):
    scale = run(
        page,
        "resolution",
        """const resolution = new m.Resolution();
        let now = 0, scale = 1;
        for (let i = 0; i < 40; i += 1) {
            now += i % 2 ? 5000 : 16;
            scale = resolution.moving(now);
        }
        return scale;""",
    )
    assert scale == 1


def test_a_headset_gets_one_picture_for_each_eye_and_turns_the_sound(page):
    """A headset that is not there: it looks to the left, with two eyes side by side."""
    drawn, poses, ended = run(
        page,
        "orientation",
        """const half = Math.SQRT1_2, orientation = { x: 0, y: half, z: 0, w: half };
        const projectionMatrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -1, 0, 0, -1, 0];
        const eye = (x) => ({ x, projectionMatrix, transform: { orientation } });
        class Session extends EventTarget {
            updateRenderState(state) { this.renderState = state; }
            async requestReferenceSpace() { return {}; }
            requestAnimationFrame(draw) { this.draw = draw; }
        }
        const session = new Session(), drawn = [], poses = [];
        let ended = false;
        const gl = { bindFramebuffer() {} };
        await m.enterHeadset({
            renderer: { gl, render: (frame, viewport) => drawn.push([viewport, frame.rays]) },
            getFrame: () => ({ labelOpacity: 0 }),
            onPose: ({ azimuth }) => poses.push(azimuth),
            onEnd: () => { ended = true; },
            xr: { requestSession: async () => session },
            makeLayer: () => ({ getViewport: ({ x }) => ({ x, y: 0, width: 8, height: 9 }) }),
        });
        const pose = { transform: { orientation }, views: [eye(0), eye(8)] };
        session.draw(0, { getViewerPose: () => pose });
        session.dispatchEvent(new Event("end"));
        return [drawn, poses, ended];""",
    )
    assert [viewport for viewport, _ in drawn] == [[0, 0, 8, 9], [8, 0, 8, 9]]
    middle = [row[2] for row in (drawn[0][1][0:3], drawn[0][1][3:6], drawn[0][1][6:9])]
    assert middle == pytest.approx([0, 1, 0], abs=1e-9)
    assert poses == pytest.approx([1.5708], abs=1e-4)
    assert ended


def test_of_adjacent_times_of_a_direction_one_is_shown(page):
    directions = [
        {"name": "first", "start_s": 0, "end_s": 1},
        {"name": "second", "start_s": 1, "end_s": 2},
        {"name": "always"},
    ]
    body = "return [0, 1, 5].map((t) => m.directionsAt(a, t).map((each) => each.name));"
    found = run(page, "annotations", body, directions)
    assert found == [["first", "always"], ["second", "always"], ["always"]]


@pytest.mark.parametrize(
    ("azimuth", "elevation", "text"),
    [
        (0.2, 0, "front"),
        (35, 10, "35° left, 10° up"),
        (-90, -5, "90° right, 5° down"),
        (179.7, 0, "behind"),
    ],
)
def test_directions_have_words(page, azimuth, elevation, text):
    assert run(page, "elements", "return m.directionText(...a);", [azimuth, elevation]) == text


def test_the_clock_shows_hundredths(page):
    assert run(page, "elements", "return a.map(m.clockText);", [0, 9.999, 61.25]) == [
        "0:00.00",
        "0:10.00",
        "1:01.25",
    ]
