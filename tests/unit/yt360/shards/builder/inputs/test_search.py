from __future__ import annotations

import json
import os
from pathlib import Path

import av
import pytest
from helpers.errors import user_error

from yt360.shards.builder.inputs.info_json import read_info_json
from yt360.shards.builder.inputs.input_video import fingerprint_of
from yt360.shards.builder.inputs.search import find_inputs


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def pairs(*paths: Path, **options) -> dict[str, str | None]:
    videos = find_inputs(paths, **options).videos
    return {item.name: item.companions[0].name if item.companions else None for item in videos}


def test_a_sound_file_of_the_same_stem_belongs_to_the_video(tmp_path):
    touch(tmp_path, "a.mp4", "a.m4a", "b.webm", "sub/a.mov", "sub/a.wav", "A.MKV")
    assert pairs(tmp_path) == {
        "a.mp4": "a.m4a",
        "b.webm": None,
        "sub/a.mov": "a.wav",
        "A.MKV": None,
    }


def test_of_several_sound_files_the_lossless_one_is_taken(tmp_path):
    touch(tmp_path, "a.mp4", "a.m4a", "a.opus", "a.flac")
    assert pairs(tmp_path) == {"a.mp4": "a.flac"}


def test_sound_without_a_container_that_tells_its_delay_is_refused_with_the_reason(tmp_path):
    touch(tmp_path, "a.mp4", "a.aac", "b.mp3")
    assert pairs(tmp_path) == pairs(tmp_path / "a.mp4") == {"a.mp4": None}
    found = find_inputs([tmp_path])
    reasons = {item.file: (item.reason, item.detail) for item in found.rejected}
    assert reasons["a.aac"][0] == "no-encoder-delay" and ".flac" in reasons["a.aac"][1]
    assert reasons["b.mp3"][0] == "no-video"
    assert found.ignored == 0


def test_truth_lists_and_hidden_files_are_no_inputs(tmp_path):
    touch(tmp_path, "a.mp4", "a.truth.npz", "a.info.json", "scenes.json", "notes.txt", ".b.mp4",
          ".cache/c.mp4", "d.mp4.part")  # fmt: skip
    assert pairs(tmp_path) == {"a.mp4": None}
    assert find_inputs([tmp_path]).ignored == 5


def test_names_pair_and_are_told_alike_however_accents_are_stored(tmp_path):
    composed, apart = "caf\u00e9", "cafe\u0301"
    touch(tmp_path, f"{composed}.mp4", f"{apart}.wav", f"{apart}.mkv.txt")
    (tmp_path / f"{apart}.info.json").write_text('{"title": "T"}')
    (item,) = find_inputs([tmp_path]).videos
    assert [file.name for file in item.companions] in ([f"{apart}.wav"], [f"{composed}.wav"])
    assert item.facts == {"title": "T"}
    (tmp_path / f"{composed}.mp4").rename(tmp_path / f"{apart}.mp4")
    (again,) = find_inputs([tmp_path]).videos
    assert (again.key, again.name) == (item.key, item.name) and item.name == f"{composed}.mp4"


def test_a_companion_whose_video_was_not_given_is_told(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "b.wav")
    found = find_inputs([tmp_path / "a.mp4", tmp_path / "b.wav"])
    assert [item.name for item in found.videos] == ["a.mp4"]
    assert [(item.file, item.reason) for item in found.rejected] == [("b.wav", "no-video")]


def test_a_number_after_eleven_letters_makes_no_clips_of_one_video(tmp_path):
    touch(tmp_path, *(f"concert2020-{number}.mp4" for number in (1, 2, 3)))
    keys = [item.key for item in find_inputs([tmp_path]).videos]
    assert keys == [f"concert2020-{number}-00000" for number in (1, 2, 3)]


def test_released_clips_belong_to_their_video(tmp_path):
    touch(tmp_path, "kqAZkf5Odyw-80.mp4", "more/kqAZkf5Odyw-90.mp4", "kqAZkf5Odyw-80.m4a")
    items = find_inputs([tmp_path]).videos
    assert [(item.video_id, item.start_s) for item in items] == [
        ("kqAZkf5Odyw", 80),
        ("kqAZkf5Odyw", 90),
    ]


def test_an_info_file_that_states_the_id_settles_what_a_name_means(tmp_path):
    touch(tmp_path, "concert2020-1.mp4", "kqAZkf5Odyw-80.mp4")
    (tmp_path / "concert2020-1.info.json").write_text('{"id": "concert2020"}')
    (tmp_path / "kqAZkf5Odyw-80.info.json").write_text('{"id": "another"}')
    keys = [item.key for item in find_inputs([tmp_path]).videos]
    assert keys == ["concert2020-00001", "kqAZkf5Odyw-80-00000"]


def test_files_that_a_shell_lists_one_by_one_pair_the_same_way(tmp_path):
    touch(tmp_path, "-a.mp4", "-a.m4a", "-a.truth.npz", "b c.mp4", "scenes.json")
    assert pairs(*tmp_path.iterdir()) == pairs(tmp_path) == {"-a.mp4": "-a.m4a", "b c.mp4": None}


def test_the_sound_beside_a_named_video_is_found(tmp_path):
    touch(tmp_path, "a.mp4", "a.WAV", "b.mp4", "b.m4a", "ab.wav")
    assert pairs(tmp_path / "a.mp4") == {"a.mp4": "a.WAV"}
    assert pairs(tmp_path / "a.mp4", tmp_path / "b.m4a", tmp_path / "b.mp4") == {
        "a.mp4": "a.WAV",
        "b.mp4": "b.m4a",
    }


def test_a_named_file_counts_whatever_its_suffix(tmp_path, monkeypatch):
    touch(tmp_path, "a.dat", "b.mp4")
    monkeypatch.chdir(tmp_path)
    assert pairs(tmp_path / "a.dat") == pairs(Path("a.dat")) == {"a.dat": None}
    assert pairs(tmp_path) == {"b.mp4": None}


def test_a_file_given_twice_counts_once(tmp_path, monkeypatch):
    touch(tmp_path, "a.mp4")
    monkeypatch.chdir(tmp_path)
    found = find_inputs([Path(), Path("a.mp4"), tmp_path, Path("..") / tmp_path.name / "a.mp4"])
    assert [item.name for item in found.videos] == ["a.mp4"]
    assert found.rejected == ()


def test_relative_inputs_become_absolute(tmp_path, monkeypatch):
    touch(tmp_path, "-a.mp4")
    monkeypatch.chdir(tmp_path)
    (item,) = find_inputs([Path("-a.mp4")]).videos
    assert item.video == tmp_path / "-a.mp4"
    assert (item.video_id, item.name) == ("-a", "-a.mp4")


def test_the_same_name_in_two_folders_is_taken_once_and_reported(tmp_path):
    touch(tmp_path, "one/a.mp4", "two/a.mp4", "two/b.mp4")
    found = find_inputs([tmp_path / "one", tmp_path / "two"])
    assert [item.key for item in found.videos] == ["a-00000", "b-00000"]
    assert [(item.file, item.reason) for item in found.rejected] == [("a.mp4", "same-name")]
    assert len(find_inputs([tmp_path]).videos) == 3


def test_sound_without_a_video_is_reported(tmp_path):
    touch(tmp_path, "a.mp4", "b.wav")
    found = find_inputs([tmp_path])
    assert [(item.file, item.reason) for item in found.rejected] == [("b.wav", "no-video")]


def test_a_second_container_without_a_picture_is_the_sound(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 32, "yuv420p"
        container.mux(video.encode(av.VideoFrame(64, 32, "yuv420p")))
        container.mux(video.encode(None))
    with av.open(str(tmp_path / "a.webm"), "w") as container:
        audio = container.add_stream("libopus", rate=48000, layout="mono")
        frame = av.AudioFrame("s16", "mono", 960)
        frame.sample_rate = 48000
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    assert pairs(tmp_path) == {"a.mkv": "a.webm"}


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "real/a.mp4", "in/b.mp4")
    (tmp_path / "in" / "more").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "in")
    assert set(pairs(tmp_path / "in")) == {"b.mp4", "more/a.mp4"}


def test_the_excluded_folder_is_not_searched(tmp_path):
    touch(tmp_path, "a.mp4", "data/.staging/x.mp4", "data/train/y.mp4")
    assert set(pairs(tmp_path, exclude=tmp_path / "data")) == {"a.mp4"}


def test_names_of_any_bytes_give_printable_reports(tmp_path):
    name = os.fsdecode(b"caf\xe9 \xff.mp4")
    touch(tmp_path, "b.mp4")
    try:
        (tmp_path / name).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such names")
    found = {item.name: item for item in find_inputs([tmp_path]).videos}
    item = found["caf\ufffd \ufffd.mp4"]
    json.dumps(vars(item.reject("x", f"{item.video}", "")), ensure_ascii=False).encode()
    assert fingerprint_of(item)


@pytest.mark.parametrize("name", ["missing", "missing.mp4"])
def test_a_missing_input_is_refused(tmp_path, name):
    with user_error("missing"):
        find_inputs([tmp_path / name])


def test_a_folder_without_media_is_refused(tmp_path):
    touch(tmp_path, "notes.txt", "a.json")
    with user_error("empty"):
        find_inputs([tmp_path])


def test_facts_of_a_download_are_taken_from_its_info_file(tmp_path):
    content = {"title": "T\ud800", "channel": "C", "license": None, "upload_date": 3, "formats": []}
    (tmp_path / "a.info.json").write_text(json.dumps({**content, "webpage_url": "http://u"}))
    stated_id, facts = read_info_json(tmp_path / "a.info.json")
    assert stated_id is None
    assert facts == {"title": "T?", "channel": "C", "url": "http://u"}
    touch(tmp_path, "a.mp4")
    assert find_inputs([tmp_path]).videos[0].channel == "C"


@pytest.mark.parametrize("content", ["", "[]", "{", "3", "\xff"])
def test_a_broken_info_file_is_no_obstacle(tmp_path, content):
    (tmp_path / "a.info.json").write_bytes(content.encode("latin-1"))
    assert read_info_json(tmp_path / "a.info.json") == (None, {})


def test_a_crash_while_looking_for_pictures_costs_no_other_input(crashing, tmp_path):
    touch(tmp_path, "a.mp4", "crash.mp4", "crash.webm")
    assert [item.name for item in find_inputs([tmp_path]).videos] == ["a.mp4", "crash.mp4"]


def test_a_fifo_is_no_input(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with user_error("missing"):
        find_inputs([tmp_path / "a.mp4"])


def test_a_folder_that_cannot_be_read_is_reported(tmp_path):
    media, closed = tmp_path / "media", tmp_path / "media" / "closed"
    closed.mkdir(parents=True)
    (media / "a.mp4").write_bytes(b"")

    def walk(path, followlinks, onerror):
        yield from os.walk(path, followlinks=followlinks)
        onerror(PermissionError(13, "Permission denied", str(closed)))

    found = find_inputs([media], walk=walk)
    assert [item.name for item in found.videos] == ["a.mp4"]
    assert [(each.file, each.reason) for each in found.rejected] == [
        ("closed", "unreadable-folder")
    ]
    (media / "a.mp4").unlink()
    with user_error("empty") as raised:
        find_inputs([media], walk=walk)
    assert str(closed) in str(raised.value)


def test_a_link_to_a_video_that_does_not_exist_is_an_input(tmp_path):
    (tmp_path / "a.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "a.txt").symlink_to("nowhere.txt")
    found = find_inputs([tmp_path])
    assert [item.name for item in found.videos] == ["a.mp4"] and found.ignored == 1
