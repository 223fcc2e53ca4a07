"""Importing released maps: the authors' files become label shards."""

import numpy as np
import pytest
from helpers.errors import user_error
from helpers.in_process import InlinePool
from PIL import Image

from yt360.labels.format.reader import LabelReader
from yt360.labels.yt360_maps import clip_folders, import_yt360_maps, read_yt360_maps
from yt360.shards.check.dataset import check_dataset


def save(folder, number, things, stuff, mode="L"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("things", things), ("stuff", stuff)):
        image = Image.fromarray(np.asarray(values, dtype=np.uint8)).convert(mode)
        image.save(folder / f"{name}-{number:04d}.png")


def maps(seed, height=10, width=20):
    generator = np.random.default_rng(seed)
    things = generator.integers(0, 81, (height, width))
    return things, np.where(things < 80, 54, generator.integers(0, 55, (height, width)))


@pytest.fixture
def released(tmp_path, clips):
    """Maps of two of the clips, one of them with a gap, and of a clip that is not in the dataset.

    The dataset's clips begin at second 0, 1, 2, ... of their videos.
    """
    folder = tmp_path / "segmentation"
    keys = list(clips)
    for number in range(4):
        save(folder / "-video_id_0-0", number, *maps(number))
    for number in (1, 3):
        save(folder / "-video_id_5-5", number, *maps(10 + number), mode="RGB")
    save(folder / "another-7", 0, *maps(0))
    return folder, keys[0], keys[5]


def test_maps_arrive_as_they_were_and_gaps_repeat_the_map_before(dataset, released):
    folder, full, gappy = released
    report = import_yt360_maps(dataset, folder, "released")
    assert (report.clips, report.without_maps, dict(report.skipped)) == (2, 4, {})
    found = LabelReader(dataset, "train", "released").read(full)
    for number in range(4):
        things, stuff = maps(number)
        assert (found.things[number] == things).all()
        assert (found.stuff[number] == stuff).all()
    reader = LabelReader(dataset, "test", "released")
    filled = reader.read(gappy)
    for number, source in enumerate((11, 11, 11, 13)):
        assert (filled.things[number] == maps(source)[0]).all()
    assert (reader.info.height, reader.info.width, reader.info.fps) == (10, 20, 4.0)
    assert list(check_dataset(dataset, quick=True, make_pool=InlinePool)) == []


def test_a_second_import_adds_what_is_new(dataset, released):
    folder, *_ = released
    import_yt360_maps(dataset, folder, "released")
    save(folder / "-video_id_1-1", 0, *maps(5))
    assert import_yt360_maps(dataset, folder, "released").clips == 1


def test_maps_that_cannot_be_used_are_skipped_and_counted(dataset, released):
    folder, *_ = released
    save(folder / "-video_id_0-0", 2, np.full((10, 20), 81), np.full((10, 20), 54))
    (folder / "-video_id_5-5" / "stuff-0003.png").write_bytes(b"no picture")
    (folder / "-video_id_2-2").mkdir()
    save(folder / "-video_id_3-3", 0, *maps(1))
    report = import_yt360_maps(dataset, folder, "released")
    assert report.clips == 1
    assert report.skipped == {"unknown-class": 1, "unreadable-map": 1, "no-maps": 1}


def test_maps_of_another_size_are_brought_to_that_of_the_set(tmp_path):
    save(tmp_path, 0, *maps(0))
    found = read_yt360_maps(tmp_path, 2, (20, 40))
    assert found.things.shape == (2, 20, 40)
    assert (found.things[0, ::2, ::2] == maps(0)[0]).all()


def test_folders_are_named_after_clips(tmp_path):
    for name in ("kqAZkf5Odyw-80", "-bc_efghijk-7", "my.holiday"):
        (tmp_path / name).mkdir()
    found = {key: path.name for key, path in clip_folders(tmp_path).items()}
    assert found["kqAZkf5Odyw-00080"] == "kqAZkf5Odyw-80"
    assert found["-bc_efghijk-00007"] == "-bc_efghijk-7"
    assert set(found.values()) == {"kqAZkf5Odyw-80", "-bc_efghijk-7", "my.holiday"}


def test_folders_of_other_clips_are_told(dataset, tmp_path):
    save(tmp_path / "maps" / "another-7", 0, *maps(0))
    with user_error("missing", key=tmp_path / "maps"):
        import_yt360_maps(dataset, tmp_path / "maps", "released")
    with user_error("missing", key=tmp_path / "nowhere"):
        import_yt360_maps(dataset, tmp_path / "nowhere", "released")
