"""The commands that `tools/kill` kills."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
SCENES, SCENE_S, CLIP_S = 5, 10, 5
SCENE_FILE = "scene-0000-0000.mp4"
SCENE_FORM = ("--duration-s", str(SCENE_S), "--size", "160x80", "--fps", "8")
QUERIES = ("concert 360", "choir 360", "street 360")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A command to be killed. It runs in a folder of its own.

    Attributes:
        name: Name to print.
        command: Its arguments.
        inputs: Names in the folder of the material that are copied into its folder first.
        resume: The words that go on with it, once `begun` is there; by default the same ones.
        begun: Name of a file or folder.
        environment: Variables to set.
        prints: Whether its output is its result.
    """

    name: str
    command: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    begun: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    prints: bool = False

    def next_command(self, folder: Path) -> tuple[str, ...]:
        """Return the words to start it with, or to go on."""
        return self.resume if self.begun and (folder / self.begun).exists() else self.command


CRAWL = ("--interval-s", "0", "--min-duration-s", "1")
TINY = (
    "views.height=16", "views.width=16", "audio.n_mels=16", "audio.hop_length=240",
    "data.num_workers=1", "data.video_duration_s=0.25", "data.window_gap_s=0.5",
    "sampling.draws_per_video=1",
    "encoders.video={base_channels: 2, num_stages: 2, blocks_per_stage: 1}",
    "encoders.audio={base_channels: 2, num_stages: 2}", "stages.avsa.batch_size=2",
    "validation.every_steps=4",
)  # fmt: skip
TRAIN = ("--recipe", "small", *(word for text in TINY for word in ("--set", text)))


def stages(material: Path, site: str) -> list[Stage]:
    """Return all stages, in the order of the pipeline.

    Args:
        material: Folder of the material, see `kill.material.make_material`.
        site: Address of the site that serves it.
    """
    return [*_crawl(material, site), *_media(material), *_datasets(material),
            *_training(material, site)]  # fmt: skip


def _crawl(material: Path, site: str) -> list[Stage]:
    """Return the stages from a search to an inspected catalog."""
    download = (
        "yt360", "download", "my.catalog", *CRAWL, "--min-free-gb", "0", "--wait-s", "20",
        "--min-rate-kb", "0", "--workers", "2", "--allow-url", f"{site}/media/",
        "--player-client", "visionos",
    )  # fmt: skip
    return [
        Stage(
            name="search",
            command=("yt360", "search", "--out", "my.catalog", *CRAWL,
                     *(word for query in QUERIES for word in ("--query", query))),
        ),
        Stage(
            name="import",
            command=("yt360", "import", "--segments", f"{material}/segments.txt", "--ids",
                     f"{material}/ids.txt", "my.catalog"),
        ),
        Stage(name="download", command=download, inputs=("my.catalog",)),
        Stage(
            name="inspect a catalog",
            command=("yt360", "inspect", "my.catalog", "--workers", "2", "--reject",
                     "spatial-audio"),
            inputs=("downloaded/my.catalog", "downloaded/my-media"),
        ),
    ]  # fmt: skip


def _media(material: Path) -> list[Stage]:
    """Return the stages that read scenes and make datasets of them."""
    build = ("--out", "dataset", "--height", "80", "--fps", "8",
             "--shard-mb", "0.2", "--test-fraction", "0.4", "--workers", "2",
             "--group-by", "video")  # fmt: skip
    return [
        Stage(
            name="inspect a folder",
            command=("yt360", "inspect", f"{material}/scenes", "--json"),
            prints=True,
        ),
        Stage(
            name="inspect, report",
            command=("yt360", "inspect", f"{material}/scenes/{SCENE_FILE}", "--report", "a.png"),
        ),
        Stage(
            name="build-shards",
            command=("yt360", "build-shards", f"{material}/scenes", *build, "--clip-s",
                     str(CLIP_S)),
        ),
        Stage(
            name="build-shards of a catalog",
            command=("yt360", "build-shards", "my.catalog", *build),
            inputs=("inspected/my.catalog", "inspected/my-media"),
        ),
    ]  # fmt: skip


def _datasets(material: Path) -> list[Stage]:
    """Return the stages that label and describe a dataset, and the one that renders scenes."""
    narrow = str(FIXTURES / "panoptic" / "model_random.pkl")
    maps = ("--height", "32", "--fps", "1")
    return [
        Stage(
            name="pseudolabel, truth",
            command=("yt360", "pseudolabel", "dataset", "--segmenter", "truth", "--scenes",
                     f"{material}/scenes", "--view-size", "32", *maps),
            inputs=("dataset",),
        ),
        Stage(
            name="pseudolabel, network",
            command=("yt360", "pseudolabel", "dataset", "--checkpoint", narrow, "--view-size",
                     "64", "--shards", "0-1", *maps),
            inputs=("dataset",),
        ),
        Stage(
            name="labels import",
            command=("yt360", "labels", "import", "dataset", f"{material}/released"),
            inputs=("dataset",),
        ),
        Stage(name="index", command=("yt360", "index", "dataset"), inputs=("dataset",)),
        Stage(
            name="stats",
            command=("yt360", "stats", f"{material}/dataset", "--plots", "plots"),
        ),
        Stage(
            name="scenes",
            command=("yt360", "scenes", "scenes", "--videos", "5", *SCENE_FORM, "--workers", "2"),
        ),
    ]  # fmt: skip


def _training(material: Path, site: str) -> list[Stage]:
    """Return the stages of `avsa`."""
    train = ("avsa", "train", "--data", f"{material}/dataset", *TRAIN)
    steps = ("--set", "checkpoint.every_steps=2", "--set", "stages.avsa.steps=12", "--log-keys")
    run = ("--out", "run", "--resume")
    return [
        Stage(
            name="audio statistics",
            command=("avsa", "stats", "dataset", "--recipe", "small", "--samples", "100"),
            inputs=("dataset",),
        ),
        Stage(
            name="train",
            command=(*train, *steps, *run[:2]),
            resume=("avsa", "train", *run, "--log-keys"),
            begun="run/config.yaml",
        ),
        Stage(
            name="train from a mirror",
            command=("avsa", "train", "--data", f"{site}/media/dataset", *TRAIN,
                     "--set", "checkpoint.every_steps=2", "--set", "stages.avsa.steps=4", *run[:2]),
            resume=("avsa", "train", *run),
            begun="run/config.yaml",
            environment={"AVSA_CACHE": "cache"},
        ),
        Stage(
            name="embed",
            command=("avsa", "embed", f"{material}/dataset", "--checkpoint", f"{material}/run",
                     "--split", "train", "--views", "4", "--out", "features.parquet"),
        ),
        Stage(
            name="export",
            command=("avsa", "export", f"{material}/run", "--out", "model"),
        ),
        Stage(
            name="preview",
            command=("avsa", "preview", "--run", f"{material}/run", "--samples", "1",
                     "--out", "preview.png"),
        ),
    ]  # fmt: skip
