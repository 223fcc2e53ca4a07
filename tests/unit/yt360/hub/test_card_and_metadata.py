"""The card and the metadata of a dataset say what is there, whatever texts are in it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import mlcroissant
import pytest
from helpers.licensed_datasets import EXAMPLE
from ruamel.yaml import YAML

import yt360
from yt360.hub.croissant import croissant
from yt360.hub.dataset_card import dataset_card
from yt360.hub.dataset_facts import DatasetFacts, LabelFacts
from yt360.hub.dataset_files import dataset_files
from yt360.hub.picture import card_picture
from yt360.shards.format.dataset_info import DatasetInfo, Rejection
from yt360.stats.dataset_counts import count_dataset

INFO = DatasetInfo.load(EXAMPLE)


@pytest.fixture(scope="module")
def facts() -> DatasetFacts:
    return DatasetFacts(
        name="me/street",
        url="http://127.0.0.1:1/datasets/me/street",
        date="2026-11-30",
        info=INFO,
        counts=count_dataset(EXAMPLE),
        labels=(LabelFacts("panoptic", {"segmenter": "truth"}, 4.0, {"wall": 0.25}),),
        features=(),
        has_media=True,
    )


def front_matter(card: str) -> dict:
    return YAML(typ="safe").load(card.split("---\n")[1])


def with_licences(facts: DatasetFacts, **videos: int) -> DatasetFacts:
    counts = replace(
        facts.counts, categories={**facts.counts.categories, "licence": Counter(videos)}
    )
    return replace(facts, counts=counts)


def test_the_card_has_the_numbers_of_the_statistics(facts):
    card = dataset_card(facts)
    for name, row in facts.counts.rows.items():
        assert f"| `{name}` | {row.videos} | {row.clips} | `{row.hours:.2f}` |" in card
    assert "| `wall` | `25.0%` |" in card
    assert json.dumps(INFO.options["form"]["crf"]) in card.split("```json")[1].split("```")[0]
    rejected = (Rejection(video_id="a", file_start_s=0, start_s=None, file="a", reason="no-audio",
                          detail="", fingerprint="", lost_s=12.0),)  # fmt: skip
    lossy = replace(facts, info=replace(INFO, rejected=rejected))
    assert "| `no-audio` | 1 | `12` |" in dataset_card(lossy)


def test_the_front_matter_points_to_what_is_there(facts):
    with_clips = front_matter(dataset_card(facts))
    assert [config["config_name"] for config in with_clips["configs"]] == ["clips"]
    without = front_matter(dataset_card(replace(facts, has_media=False)))
    assert [config["config_name"] for config in without["configs"]] == ["index"]
    assert (with_clips["size_categories"], with_clips["pretty_name"]) == (["n<1K"], "street")


def test_the_licence_of_the_whole_is_open_only_if_all_are(facts):
    free = with_licences(facts, **{"CC BY 4.0": 17, "CC0": 1})
    assert front_matter(dataset_card(free))["license"] == "cc"
    mixed = with_licences(facts, **{"CC BY 4.0": 17, "unknown": 1})
    assert front_matter(dataset_card(mixed))["license"] == "other"
    assert "| `unknown` | 1 |" in dataset_card(mixed)
    assert "| `unknown` | 18 |" in dataset_card(facts)


def test_texts_of_videos_are_no_markup(facts):
    card = dataset_card(with_licences(facts, **{"<script>|`x`\n# you": 18}))
    row = next(line for line in card.splitlines() if "script" in line)
    assert row == "| `` <script>\\|`x`\\n# you `` | 18 |"


def test_the_metadata_are_croissant_that_loads_the_table_of_clips(facts, tmp_path):
    found = dataset_files(EXAMPLE, INFO, ())
    files = [*found.media, *found.labels, *found.lists]
    path = tmp_path / "croissant.json"
    path.write_bytes(croissant(facts, files, found.media))
    indexes = {
        f"{split}/index.parquet": EXAMPLE / split / "index.parquet" for split in ("train", "test")
    }
    dataset = mlcroissant.Dataset(jsonld=path, mapping=indexes)
    issues = dataset.metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings)) == (set(), set())
    records = [*dataset.records("test-clips")]
    keys = [record["test-clips/key"].decode() for record in records]
    assert keys == [*yt360.open_dataset(EXAMPLE, "test").keys]


def test_the_metadata_have_the_sum_of_each_file_and_name_no_clips_that_are_not_pushed(facts):
    found = dataset_files(EXAMPLE, INFO, ())
    media = {file.path: file.listed for file in found.media}
    content = json.loads(croissant(facts, [*found.media, *found.lists], found.media))
    sums = {entry["@id"]: entry.get("sha256") for entry in content["distribution"]}
    assert media.items() <= sums.items()
    assert {"clip-audio", "clip-video", "clip-facts"} <= sums.keys()
    without = json.loads(croissant(replace(facts, has_media=False), [*found.lists], ()))
    assert {entry["@id"] for entry in without["distribution"]} == {f.path for f in found.lists}


def test_without_clips_the_picture_shows_histograms_alone(facts):
    def no_clips(*_):
        raise AssertionError("no frame may be drawn")

    picture = card_picture(EXAMPLE, facts.counts, False, draw_clips=no_clips)
    assert picture.startswith(b"\x89PNG")
    assert picture == card_picture(EXAMPLE, facts.counts, False, draw_clips=no_clips)
