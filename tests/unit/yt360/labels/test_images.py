"""Pictures in and out: `yt360 segment` and `yt360 preview`."""

import json
import math
import os
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from helpers.errors import bad_item, user_error
from helpers.in_process import in_process
from PIL import Image

from yt360.cli import cli
from yt360.commands.labels.pseudolabel import parse_numbers
from yt360.commands.run import run
from yt360.errors import BadItem
from yt360.labels.classes import palette
from yt360.labels.clip_sheet import GAP, MIN_WIDTH, TITLE, draw_clip_sheet
from yt360.labels.image_files import FORMATS, read_image
from yt360.labels.overlay import legend, overlay, with_names
from yt360.labels.pseudolabel import LabelOptions, pseudolabel
from yt360.labels.segment_images import segment_images
from yt360.labels.segmenters.base import from_segments
from yt360.labels.segments import segments_of
from yt360.sphere import direction, equirect_grid

segment = partial(segment_images, isolate=in_process)


def yt360(*arguments):
    """Run the command line; return its exit code."""
    try:
        run(cli, [str(each) for each in arguments])
    except SystemExit as stop:
        return stop.code or 0
    return 0


def test_segment_writes_what_detectron2_answers(panoptic_fixture, tmp_path, capsys):
    picture = panoptic_fixture / "noise_375x500.png"
    code = yt360("segment", picture, "--checkpoint", panoptic_fixture / "model_random.pkl",
                 "--out", tmp_path, "--short-side", 160, "--long-side", 266)  # fmt: skip
    assert code == 0
    assert "1 segmented" in capsys.readouterr().out
    ids = np.asarray(Image.open(tmp_path / "noise_375x500.panoptic.png"))
    expected = np.load(panoptic_fixture / "expected.npz")["panoptic_seg"]
    assert (ids == expected).mean() > 0.999
    wanted = json.loads((panoptic_fixture / "segments_info.json").read_text())
    found = json.loads((tmp_path / "noise_375x500.segments.json").read_text())
    assert (found["width"], found["height"]) == (375, 500)
    for ours, theirs in zip(found["segments"], wanted, strict=True):
        assert {name: ours[name] for name in ("id", "isthing", "category_id")} == {
            name: theirs[name] for name in ("id", "isthing", "category_id")
        }
        assert ours["area"] == (ids == ours["id"]).sum()
        if ours["isthing"]:
            assert ours["score"] == pytest.approx(theirs["score"], abs=1e-4)
    assert found["segments"][0]["name"] == "remote"
    assert found["segments"][0]["coco_id"] == 75
    assert Image.open(tmp_path / "noise_375x500.overlay.png").size == (375, 500)


def test_segment_labels_panoramas_through_views(panoptic_fixture, tmp_path, paint):
    frames, _ = paint.sphere(32)
    Image.fromarray(frames[0].numpy()).save(tmp_path / "room.png")
    code = yt360("segment", tmp_path / "room.png", "--panorama", "--views", "cube-90",
                 "--checkpoint", panoptic_fixture / "model_random.pkl", "--view-size", 64,
                 "--height", 32, "--out", tmp_path / "out")  # fmt: skip
    assert code == 0
    assert Image.open(tmp_path / "out" / "room.panoptic.png").size == (64, 32)
    assert json.loads((tmp_path / "out" / "room.segments.json").read_text())["height"] == 32


def test_bad_pictures_are_skipped_and_counted(tmp_path, paint, capsys):
    good, bad = tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"
    for path in (good, bad):
        path.parent.mkdir()
    Image.new("L", (9, 7)).save(good)
    bad.write_bytes(good.read_bytes()[:45])
    paths = [good, bad, tmp_path / "none.png", good]
    counts = segment(paths, tmp_path / "out", paint.Segmenter())
    assert counts == {"done": 2, "unreadable": 1, "missing": 1}
    assert "x.png" in capsys.readouterr().err
    names = sorted(path.name for path in (tmp_path / "out").glob("*.json"))
    assert names == ["x-3.segments.json", "x.segments.json"]


def test_a_picture_with_a_name_of_any_bytes_is_segmented(tmp_path, paint):
    name = os.fsdecode(b"caf\xe9 %03d:\n")
    Image.new("L", (9, 7)).save(tmp_path / "plain.png")
    try:
        path = (tmp_path / "plain.png").rename(tmp_path / f"{name}.png")
    except OSError:
        pytest.skip("this file system takes no such names")
    assert segment([path], tmp_path, paint.Segmenter()) == {"done": 1}
    content = json.loads((tmp_path / f"{name}.segments.json").read_text())
    assert content["image"] == r"caf\xe9 %03d:\n.png"


def test_very_thin_pictures_are_segmented_too(tmp_path, panoptic_fixture):
    Image.new("RGB", (5000, 1)).save(tmp_path / "wide.png")
    Image.new("RGB", (1, 3000)).save(tmp_path / "tall.png")
    checkpoint = panoptic_fixture / "model_random.pkl"
    code = yt360("segment", tmp_path / "wide.png", tmp_path / "tall.png", "--checkpoint",
                 checkpoint, "--out", tmp_path, "--short-side", 64, "--long-side", 128)  # fmt: skip
    assert code == 0
    assert Image.open(tmp_path / "wide.panoptic.png").size == (5000, 1)
    assert Image.open(tmp_path / "tall.panoptic.png").size == (1, 3000)


def test_pictures_that_a_segmenter_cannot_take_are_skipped_and_counted(tmp_path, paint):
    class Squares(paint.Segmenter):
        def segment(self, pictures, sources):
            if pictures.shape[1] != pictures.shape[2]:
                raise BadItem("unfit-size", "no square")
            return super().segment(pictures, sources)

    for name, size in (("a", (9, 7)), ("b", (8, 8))):
        Image.new("L", size).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    counts = segment(paths, tmp_path, Squares())
    assert counts == {"unfit-size": 1, "done": 1}


def test_a_run_without_one_good_picture_fails(tmp_path, panoptic_fixture, capsys):
    checkpoint = panoptic_fixture / "model_random.pkl"
    out = tmp_path / "new"
    code = yt360("segment", tmp_path / "x.png", "--checkpoint", checkpoint, "--out", out)
    assert code == 2
    assert "0 segmented" in capsys.readouterr().out
    assert not out.exists()


def test_pictures_are_turned_upright(tmp_path):
    image = Image.new("RGB", (6, 4), "red")
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "x.jpg", exif=exif)
    assert read_image(tmp_path / "x.jpg").shape == (1, 6, 4, 3)
    Image.new("P", (5, 3)).save(tmp_path / "y.png")
    assert read_image(tmp_path / "y.png").dtype == np.uint8


def test_a_bomb_is_a_bad_item(tmp_path, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
    assert read_image(tmp_path / "x.png").shape == (1, 100, 100, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with bad_item("too-large"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize("form", [*FORMATS, "MPO"])
def test_every_known_format_is_read(tmp_path, form):
    more = {"save_all": True, "append_images": [Image.new("RGB", (8, 4))]} if form == "MPO" else {}
    Image.new("RGB", (8, 4), (200, 200, 200)).save(tmp_path / "picture", form, **more)
    assert abs(read_image(tmp_path / "picture").astype(int) - 200).max() < 4


def test_only_regular_files_of_known_formats_are_pictures(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    with bad_item("unreadable"):
        read_image(tmp_path / "fifo.png")
    Image.new("RGB", (5, 3)).save(tmp_path / "script.png", format="EPS")
    with bad_item("unreadable", str(tmp_path / "script.png"), "PNG, JPEG"):
        read_image(tmp_path / "script.png")


def test_many_segments_get_a_deeper_map(tmp_path, paint):
    class Crowd(paint.Segmenter):
        def segment(self, *_):
            ids = torch.arange(20 * 20).reshape(20, 20) + 1
            return [from_segments(ids, [(number, 0, 0.5) for number in range(1, 401)])]

    Image.new("RGB", (20, 20)).save(tmp_path / "x.png")
    segment([tmp_path / "x.png"], tmp_path, Crowd())
    ids = np.asarray(Image.open(tmp_path / "x.panoptic.png"))
    assert ids.max() == 400
    assert (ids == np.arange(400).reshape(20, 20) + 1).all()


def test_segments_are_objects_then_stuff_and_cover_what_is_labelled():
    ids = torch.tensor([[5, 5, 2], [9, 0, 2]])
    found = from_segments(ids, [(5, 120, 0.5), (2, 3, 0.9), (9, 3, 0.7)])
    numbers, segments = segments_of(found)
    assert numbers.tolist() == [[3, 3, 1], [2, 0, 1]]
    assert [(s.is_thing, s.category, s.area) for s in segments] == [
        (True, 3, 2), (True, 3, 1), (False, 40, 2),
    ]  # fmt: skip
    assert segments[0].to_json() == {
        "id": 1, "isthing": True, "category_id": 3, "name": "motorcycle", "coco_id": 4,
        "area": 2, "score": 0.9,
    }  # fmt: skip


def test_an_overlay_leaves_bare_what_has_no_class():
    picture = np.full((6, 8, 3), 100, np.uint8)
    joint = np.full((6, 8), 134, np.uint8)
    joint[:, 5:] = 0
    drawn = overlay(picture, joint)
    assert (drawn[:, :4] == 100).all()
    assert (drawn[:, 4] == 255).all()  # the border
    inside = 0.45 * 100 + 0.55 * palette()[0]
    assert np.abs(drawn[2, 6] - inside).max() <= 1


def test_names_stay_inside_the_picture():
    found = from_segments(torch.ones(60, 200), [(1, 9, 0.93)])
    ids, segments = segments_of(found)
    bare = np.zeros((60, 200, 3), np.uint8)
    drawn = np.asarray(with_names(bare, ids.numpy(), segments))
    assert drawn.shape == bare.shape
    assert (drawn.max(-1) > 200).any()
    edges = (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1])
    assert not any(edge.any() for edge in edges)


def test_a_legend_grows_with_its_classes():
    few, many = (legend([(label, 0.01) for label in range(n)], 400) for n in (2, 40))
    assert few.width == many.width == 400
    assert many.height > 2 * few.height


def test_a_preview_shows_frame_labels_legend_and_energy(dataset, clips, paint, tmp_path):
    options = LabelOptions(views="cube-100", view_size=32, height=32)
    pseudolabel(dataset, paint.Segmenter(), options, isolate=in_process)
    assert yt360("preview", dataset, "--out", tmp_path / "p.png", "--clips", 2) == 0
    sheet = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    for label in (120, 126):  # sky and grass are in the legend of every clip
        assert (sheet == palette()[label]).all(-1).sum() > 2 * 100
    key = list(clips)[4]
    for number, (labels, energy) in enumerate(product((None, "panoptic"), (False, True))):
        out = tmp_path / f"{number}.png"
        drawn = draw_clip_sheet(
            dataset, out, labels=labels, energy=energy, keys=[key], at_s=0.5, isolate=in_process
        )
        columns = 1 + (labels is not None) + energy
        assert drawn == [key]
        assert Image.open(out).width == GAP + columns * (MIN_WIDTH + GAP)
    assert sheet.shape[1] == GAP + 3 * (MIN_WIDTH + GAP)


def test_columns_agree_on_the_direction_of_a_sounding_object(person_dataset, paint, tmp_path):
    options = LabelOptions(views="cube-100", view_size=48, height=32, fps=1)
    pseudolabel(person_dataset, paint.Segmenter(), options, isolate=in_process)
    draw_clip_sheet(person_dataset, tmp_path / "p.png", labels="panoptic", isolate=in_process)
    sheet = np.asarray(Image.open(tmp_path / "p.png").convert("RGB")).astype(int)
    size = MIN_WIDTH // 2, MIN_WIDTH
    frame, labels, energy = (
        sheet[TITLE : TITLE + size[0], GAP + k * (MIN_WIDTH + GAP) :][:, : size[1]]
        for k in range(3)
    )
    up, ahead = equirect_grid(*size)[..., 2].numpy(), equirect_grid(*size).numpy()
    source = direction(math.radians(50.0), math.radians(30.0)).numpy()
    for column in (frame, labels):
        person = (np.abs(column - palette()[0]).max(-1) < 40) & (up > -0.5)
        area = np.sqrt(1 - up**2)[person, None]
        middle = (ahead[person] * area).sum(0)
        assert source @ middle / np.linalg.norm(middle) > math.cos(math.radians(3))
    # Green grows with the energy in the colors of the map.
    loudest = ahead[energy[..., 1] == energy[..., 1].max()].mean(0)
    assert source @ loudest / np.linalg.norm(loudest) > math.cos(math.radians(3))


def test_a_clip_without_labels_is_drawn_if_it_is_named(dataset, clips, paint, tmp_path):
    options = LabelOptions(views="cube-100", view_size=32, height=32, fps=1, splits=("train",))
    pseudolabel(dataset, paint.Segmenter(), options, isolate=in_process)
    labelled, bare = next(iter(clips)), list(clips)[4]
    draw = partial(draw_clip_sheet, dataset, labels="panoptic", isolate=in_process)
    assert draw(tmp_path / "p.png", keys=[bare, labelled]) == [bare, labelled]
    assert bare not in draw(tmp_path / "q.png", num_clips=len(clips))


@pytest.mark.parametrize(
    "text", ["5-2", "0-9999999999", "1000000", "9" * 5000, "a", "1-", "-3", "", "1,,2", "\u0663"]
)
def test_invalid_shard_numbers_are_refused_before_they_are_counted(text):
    with user_error("invalid", key="--shards"):
        parse_numbers(text)


def test_shards_are_numbers_and_stretches_of_them():
    assert parse_numbers("0-2, 7,5-5") == {0, 1, 2, 5, 7}
    assert parse_numbers("999999") == {999_999}


def test_a_preview_of_nothing_is_told(dataset, paint, tmp_path):
    with user_error("missing", key="--name"):
        draw_clip_sheet(dataset, tmp_path / "p.png", labels="panoptic")
    with user_error("missing", key="x"):
        draw_clip_sheet(dataset, tmp_path / "p.png", keys=["x"])
    with user_error("invalid", key="--at-s"):
        draw_clip_sheet(dataset, tmp_path / "p.png", at_s=float("nan"))
    assert yt360("preview", dataset, "--at-s", "inf", "--out", tmp_path / "p.png") == 2
    assert not (tmp_path / "p.png").exists()


@pytest.mark.parametrize(
    "options", [("--name", "panoptic", "--no-labels"), ("--name", "panoptic"), ("--labels",)]
)
def test_labels_that_do_not_exist_or_are_not_shown_are_refused(dataset, options, tmp_path, capsys):
    assert yt360("preview", dataset, *options, "--out", tmp_path / "p.png") == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "p.png").exists()


def test_segment_has_no_smallest_stuff_for_segmenters_that_take_none(tmp_path, capsys):
    arguments = ("segment", tmp_path / "a.png", "--out", tmp_path / "out",
                 "--segmenter", "truth", "--scenes", tmp_path)  # fmt: skip
    assert yt360(*arguments) == 2
    assert "has no scenes.json" in capsys.readouterr().err
    assert yt360(*arguments, "--stuff-area", 9) == 2
    assert "stuff_area" in capsys.readouterr().err


def test_commands_run_from_labelling_to_statistics(dataset, panoptic_fixture, capsys):
    checkpoint = panoptic_fixture / "model_random.pkl"
    small = ("--view-size", 64, "--height", 32, "--fps", 1)
    ways = {"panoptic": ("--views", "cube-90"), "direct": ("--views", "panorama", "--batch", 2)}
    for name, more in ways.items():
        assert yt360("pseudolabel", dataset, "--checkpoint", checkpoint, *small,
                     "--name", name, "--shards", "0-1", *more) == 0  # fmt: skip
    text = capsys.readouterr().out
    assert "6 clips labelled, 6 panoramas" in text
    assert "outside the network" in text
    assert yt360("labels", "compare", dataset, f"{dataset}:direct") == 0
    assert "pixel accuracy" in capsys.readouterr().out
    assert yt360("stats", dataset, "--labels") == 0
    assert "6 of 6 clips" in capsys.readouterr().out
    assert yt360("pseudolabel", dataset, "--checkpoint", checkpoint, "--shards", "a") == 2
    assert "not a list of numbers" in capsys.readouterr().err


def test_a_crash_costs_the_picture_that_it_comes_from(crashing, tmp_path, paint, capsys):
    for name in ("a", "crash", "b"):
        Image.new("L", (9, 7)).save(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in ("a", "crash", "b")]
    counts = segment_images(paths, tmp_path / "out", paint.Segmenter())
    assert counts == {"done": 2, "crash": 1}
    assert "skipped: crash: crash.png: " in capsys.readouterr().err


def test_a_crash_costs_the_clip_that_it_comes_from(
    crashing, dataset, clips, paint, tmp_path, capsys
):
    bad, good = list(clips)[:2]
    crashing.at(clips[bad][0])
    options = LabelOptions(views="cube-100", view_size=32, height=32, fps=1)
    report = pseudolabel(dataset, paint.Segmenter(), options)
    assert (report.clips, report.skipped) == (len(clips) - 1, {"crash": 1})
    show = ("preview", dataset, "--out", tmp_path / "p.png", "--clip", bad)
    capsys.readouterr()
    assert yt360(*show, "--clip", good) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'p.png'}: {good}\n"
    assert f"skipped {bad}: crash: {bad}: " in shown.err
    assert yt360(*show) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: none ")
