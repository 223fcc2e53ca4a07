"""The layout of Tables 2 to 4 of the paper: which record belongs into which row and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from avsa.evals.report.approach import Approach
from avsa.evals.report.paper_numbers import ACTION, BINARY, SEGMENTATION, PaperNumbers
from avsa.evals.subject import KINETICS, SCRATCH

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes:
        group: Heading over neighbouring columns.
        label: Heading.
        kind: The evaluation.
        options: Options of it that belong to this column.
        metric: The number.
        beside: Labels of further metrics that are shown below it.
        needs_translation: Whether only models with translation networks have it.
    """

    group: str
    label: str
    kind: str
    options: Settings
    metric: str
    beside: Mapping[str, str] = field(default_factory=dict)
    needs_translation: bool = False

    def takes(self, kind: str, settings: Settings) -> bool:
        """Return whether a record belongs into the column."""
        return kind == self.kind and all(
            settings.get(name) == value for name, value in self.options.items()
        )


@dataclass(frozen=True)
class RowSource:
    """How to fill a row of the paper: a recipe or a word for a model, and options."""

    recipe: str = ""
    word: str = ""
    options: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        name: Its anchor.
        title: Its number and content.
        caption: What the numbers are.
        columns: Its columns.
        paper: The numbers of the paper by row.
        sources: How to fill each row.
        row_of: Returns the name of the row of a model evaluated with some options.
        options_of: Returns the options that evaluate a model in its usual row.
        row_options: Names of the options that choose the row.
        one_data: Whether all columns are of the same data.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    paper: PaperNumbers
    sources: Mapping[str, RowSource]
    row_of: Callable[[Approach, Settings], str]
    options_of: Callable[[Approach], Settings]
    row_options: tuple[str, ...] = ()
    one_data: bool = True

    @property
    def coordinates(self) -> set[str]:
        """Names of the options that choose row and column."""
        return {*self.row_options, *(name for each in self.columns for name in each.options)}


_CONTROLS = {"audio_alone": "audio alone", "video_alone": "video alone", "swapped": "swapped audio"}
_INPUTS = {
    "video": "video",
    "video+audio": "video, audio",
    "video+audio+context": "video, audio, context",
}
_DATA_SETS = {"ucf101": "UCF101", "hmdb51": "HMDB51"}


def _binary_row(approach: Approach, settings: Settings) -> str:
    label = approach.label(always_networks=True)
    unused = approach.translates and not settings.get("translated")
    return f"{label}, not translated" if unused else label


def _segmentation_row(approach: Approach, settings: Settings) -> str:
    label = approach.label()
    if not settings.get("end_to_end"):
        return label
    return "End to end" if label in ("AVSA", "Scratch") else f"End to end, {label}"


TABLE_2 = PaperTable(
    name="table-2",
    title="Table 2: binary audio-visual correspondence and spatial alignment",
    caption="Accuracy in %. Below each of our numbers: its 95 % interval by bootstrap over videos, "
    "chance, and as controls the accuracies of heads that see the audio or the video alone, and "
    "with the audio of another video.",
    columns=tuple(
        Column(group, f"{views} view{'s' * (views > 1)}", kind, {"views": views}, "accuracy",
               _CONTROLS)
        for group, kind in (("AVC-Bin", "avc-bin"), ("AVSA-Bin", "avsa-bin"))
        for views in (1, 4)
    ),
    paper=BINARY,
    sources={
        "AVC no transf.": RowSource("avc"),
        "AVC transf.": RowSource("avc-transformer", options={"translated": True}),
        "AVTS no transf.": RowSource("avts"),
        "AVTS transf.": RowSource("avts-transformer", options={"translated": True}),
        "AVSA no transf.": RowSource("avsa-no-transformer"),
        "AVSA transf.": RowSource("avsa", options={"translated": True}),
    },
    row_of=_binary_row,
    options_of=lambda approach: {"translated": True} if approach.translates else {},
    row_options=("translated",),
)  # fmt: skip

TABLE_3 = PaperTable(
    name="table-3",
    title="Table 3: semantic segmentation by distillation",
    caption="Pixel accuracy and mIoU in %. Our numbers, as the paper's, are means over batches and "
    "images. Below each: the number of the whole test split, from its confusion matrix, with its "
    "95 % interval by bootstrap over videos.",
    columns=tuple(
        Column(heading, label, "segmentation", {"inputs": inputs}, metric, {whole: "whole split"},
               needs_translation="context" in inputs)
        for inputs, heading in _INPUTS.items()
        for label, metric, whole in (
            ("pixel acc.", "batch_pixel_accuracy", "pixel_accuracy"),
            ("mIoU", "image_miou", "miou"),
        )
    ),
    paper=SEGMENTATION,
    sources={
        "AVC": RowSource("avc"),
        "AVTS": RowSource("avts"),
        "AVSA": RowSource("avsa"),
        "AVSA no curriculum": RowSource("avsa-no-curriculum"),
        "AVSA mlp": RowSource("avsa-mlp"),
        "Kinetics supervised": RowSource(word=KINETICS),
        "End to end": RowSource("avsa", options={"end_to_end": True}),
    },
    row_of=_segmentation_row,
    options_of=lambda _: {},
    row_options=("end_to_end",),
)  # fmt: skip

TABLE_4 = PaperTable(
    name="table-4",
    title="Table 4: action recognition",
    caption="Top-1 accuracy in %, of single clips and of videos (25 clips each). Below each of our "
    "numbers: its 95 % interval by bootstrap over recordings, chance, and top-5 accuracy.",
    columns=tuple(
        Column(heading, label, "action", {"dataset": dataset}, metric, {top_5: "top-5"})
        for dataset, heading in _DATA_SETS.items()
        for label, metric, top_5 in (
            ("clip@1", "clip@1", "clip@5"),
            ("video@1", "video@1", "video@5"),
        )
    ),
    paper=ACTION,
    sources={
        "Scratch": RowSource(word=SCRATCH),
        "Kinetics supervised": RowSource(word=KINETICS),
        "AVC": RowSource("avc"),
        "AVTS": RowSource("avts"),
        "AVSA": RowSource("avsa"),
    },
    row_of=lambda approach, _: approach.label(),
    options_of=lambda _: {},
    one_data=False,
)

PAPER_TABLES = (TABLE_2, TABLE_3, TABLE_4)
