"""The card of a dataset: the page that a hub shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from yt360.hub.dataset_facts import DatasetFacts, licence_name
from yt360.hub.dataset_files import CLIP_LIST_FILE, PICTURE_FILE
from yt360.hub.licences import forbidding
from yt360.shards.format.dataset_info import losses_by_reason
from yt360.splits import SPLITS
from yt360.stats.counts import Histogram
from yt360.terminal.text import json_text, markdown_code

MAX_CATEGORIES, MAX_RANGES = 8, 8
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))


def dataset_card(facts: DatasetFacts) -> str:
    """Return the card as Markdown, which depends on the facts alone."""
    return "\n".join(
        [
            "---",
            *_front_matter(facts),
            "---",
            "",
            f"# {facts.name.rpartition('/')[2]}",
            "",
            facts.summary,
            "",
            f"![{_picture_text(facts)}]({PICTURE_FILE})",
            "",
            *_content(facts),
            *_licences(facts),
            *_making(facts),
            *_numbers(facts),
            *_bias(facts),
            *_use(facts),
        ]
    )


def bias_text(facts: DatasetFacts) -> str:
    """Return what the dataset does not represent."""
    total = facts.counts.rows["total"]
    return (
        "The videos were not sampled from the world: they show what people record with 360° "
        "cameras and ambisonic microphones, and what search words, lists and quality checks let "
        f"through. Clips of one video are alike ({total.clips} clips of {total.videos} videos), so "
        "the split keeps videos together. Places, events, languages and people are not "
        "balanced and were not annotated."
    )


def people_text() -> str:
    """Return what is said of people in the recordings."""
    return (
        "Recordings of public and private places hold faces, voices and positions of people who "
        "did not agree to be in a dataset. Do not identify anyone, and remove a video if its "
        "owner or someone in it asks for it."
    )


def _front_matter(facts: DatasetFacts) -> list[str]:
    """Return YAML; every value is JSON, which is YAML."""
    clips = facts.counts.rows["total"].clips
    size = next((name for limit, name in _SIZES if clips < limit), "n>1M")
    splits = [split for split in SPLITS if facts.info.splits[split].clips]

    def files(pattern: str) -> list[dict[str, str]]:
        return [{"split": split, "path": f"{split}/{pattern}"} for split in splits]

    # One alone: `datasets` reads all configurations of a repository by the format of the first.
    name, pattern = ("clips", "clips-*.tar") if facts.has_media else ("index", "index.parquet")
    configs = [{"config_name": name, "data_files": files(pattern)}]
    tags = ["360-video", "spatial-audio", "ambisonics", "webdataset", "croissant"]
    values: dict[str, Any] = {
        "license": licence_name(facts.licences),
        "pretty_name": facts.name.rpartition("/")[2],
        "size_categories": [size],
        "tags": tags,
        "configs": configs,
    }
    if values["license"] == "other":
        values |= {"license_name": "per-video", "license_link": f"{facts.url}#licences"}
    return [f"{key}: {json.dumps(value)}" for key, value in values.items()]


def _picture_text(facts: DatasetFacts) -> str:
    if facts.has_media:
        return "Clips: frame, labels if there are any, and the energy of the audio by direction"
    return "Histograms of the clips and videos"


def _content(facts: DatasetFacts) -> list[str]:
    rows = [
        (name, row.videos, row.clips, f"{row.hours:.2f}") for name, row in facts.counts.rows.items()
    ]
    lines = ["## Content", "", *_table(("split", "videos", "clips", "hours"), rows), ""]
    for labels in facts.labels:
        lines.append(
            f"- Labels {markdown_code(labels.name)}: panoptic maps of the whole sphere, "
            f"{labels.fps:g} per second."
        )
    if facts.features:
        lines.append(f"- Features: {', '.join(map(markdown_code, facts.features))}.")
    lines.append(
        f"- `{CLIP_LIST_FILE}`: video, start, end and split of every clip. `dataset.json`: how it "
        "was built, the SHA-256 of every shard, and every file that was left out, with the reason."
    )
    return [*lines, ""]


def _licences(facts: DatasetFacts) -> list[str]:
    closed = sum(forbidding(facts.licences).values())
    total = facts.counts.rows["total"].videos
    if facts.has_media:
        media = (
            "The clips are here because whoever pushed them states to have the rights to share all "
            "of them."
            if closed
            else "All of them allow to share the clips; give credit as they ask (each clip's "
            "`.json` has title, channel and address)."
        )
    else:
        media = "The clips are not here; the list of clips says where they come from."
    return [
        "## Licences",
        "",
        *_table(("licence", "videos"), _top(facts.licences)),
        "",
        f"{closed} of {total} videos have no licence that lets everyone share changed copies. "
        + media,
        "",
    ]


def _making(facts: DatasetFacts) -> list[str]:
    lost = losses_by_reason(facts.info.rejected)
    lines = [
        "## How it was built",
        "",
        f"By `yt360 build-shards`, version {markdown_code(facts.info.built_with)}, with:",
        "",
        "```json",
        json_text(dict(facts.info.options), indent=2),
        "```",
        "",
    ]
    if lost:
        rows = [(reason, count, f"{seconds:.0f}") for reason, (count, seconds) in lost.items()]
        lines += ["Left out:", "", *_table(("reason", "parts", "seconds"), rows), ""]
    for labels in facts.labels:
        made_by = json_text(dict(labels.made_by))
        lines += [f"Labels {markdown_code(labels.name)}: {markdown_code(made_by)}", ""]
    return lines


def _numbers(facts: DatasetFacts) -> list[str]:
    lines = ["## Numbers", ""]
    for name, counts in facts.counts.categories.items():
        if name != "licence":
            lines += [*_table((name, "number"), _top(dict(counts.most_common()))), ""]
    for histogram in facts.counts.histograms:
        rows = [(f"{low:.4g} to {high:.4g}", count) for low, high, count in _ranges(histogram)]
        lines += [*_table((histogram.name, "number"), rows), ""]
    return lines


def _bias(facts: DatasetFacts) -> list[str]:
    lines = ["## Bias and limits", "", bias_text(facts), "", people_text(), ""]
    for labels in facts.labels:
        rows = [(name, f"{fraction:.1%}") for name, fraction in labels.classes.items()]
        if rows:
            lines += [
                f"What is to be seen, by the labels {markdown_code(labels.name)}, which a network "
                "may have guessed wrongly:",
                "",
                *_table(("class", "pixels"), rows),
                "",
            ]
    return lines


def _use(facts: DatasetFacts) -> list[str]:
    lines = ["## Use", "", "```", f"yt360 pull {facts.address} --out DATASET", "```", ""]
    if not facts.has_media:
        return [
            *lines,
            "Fetch the videos that are on YouTube, as far as they are there and you may:",
            "",
            "```",
            f"yt360 import --list DATASET/{CLIP_LIST_FILE} my.catalog",
            "yt360 download my.catalog",
            "```",
            "",
        ]
    return [
        *lines,
        "```python",
        "import yt360",
        "",
        'reader = yt360.open_dataset("DATASET", "train")',
        "clip = yt360.read_clip(reader, reader.rows[0].key)",
        "clip.frames, clip.ambix  # (T, H, W, 3) uint8 RGB; (4, S) float32 W, Y, Z, X",
        "```",
        "",
        "Any WebDataset reader can read the shards. The FLAC files have four channels: do not let "
        "a loader mix them to mono or stereo. In `datasets`, keep the bytes "
        '(`features=Features({"flac": Value("binary"), ...})`) and decode them with soundfile.',
        "",
    ]


def _ranges(histogram: Histogram) -> list[tuple[float, float, int]]:
    """Return (low, high, count) of at most `MAX_RANGES` neighbouring ranges taken together."""
    size = -(-len(histogram.counts) // MAX_RANGES)
    return [
        (
            float(histogram.edges[first]),
            float(histogram.edges[min(first + size, len(histogram.counts))]),
            int(histogram.counts[first : first + size].sum()),
        )
        for first in range(0, len(histogram.counts), size)
    ]


def _top(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    items = list(counts.items())
    rest = sum(count for _, count in items[MAX_CATEGORIES:])
    return items[:MAX_CATEGORIES] + ([("others", rest)] if rest else [])


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a Markdown table; texts are shown as code, so nothing in them is markup."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [
            markdown_code(cell).replace("|", "\\|") if isinstance(cell, str) else str(cell)
            for cell in row
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
