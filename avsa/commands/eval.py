"""``avsa eval``: a command for each evaluation."""

from __future__ import annotations

from typing import Any

import click

from avsa.commands.evals.common import (
    carry_out,
    evaluation_options,
    test_data_option,
    worker_options,
)
from avsa.evals import EVALUATIONS
from yt360.commands.group import LazyGroup, examples

COMMANDS: dict[str, tuple[str, str]] = {
    "avc-bin": (
        "avsa.commands.evals.avc_bin",
        "AVC-Bin: do video and audio correspond? (Table 2)",
    ),
    "avsa-bin": (
        "avsa.commands.evals.avsa_bin",
        "AVSA-Bin: is the sound field aligned? (Table 2)",
    ),
    "segmentation": (
        "avsa.commands.evals.segmentation",
        "Semantic segmentation by distillation (Table 3).",
    ),
    "action": ("avsa.commands.evals.action", "Action recognition by fine-tuning (Table 4)."),
    "localization": (
        "avsa.commands.evals.localization",
        "Localize sound sources by Grad-CAM (Fig. 7).",
    ),
    "retrieval": ("avsa.commands.evals.retrieval", "Retrieve audio by video, and video by audio."),
    "probe": ("avsa.commands.evals.probe", "Predict properties of scenes from frozen features."),
    "all": ("avsa.commands.evals.all", "All evaluations that the model and the data allow."),
}
"""Commands of the built-in evaluations: module and one-line help."""


class EvaluationGroup(LazyGroup):
    """The built-in evaluations, and those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in commands, then evaluations without a command of their own."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in EVALUATIONS if name not in own)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of an evaluation."""
        found = super().get_command(ctx, cmd_name)
        if found is not None or cmd_name not in EVALUATIONS:
            return found
        return _command_of(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the evaluations."""
        if self.modules:
            super().format_commands(ctx, formatter)
        others = [each for each in EVALUATIONS.entries() if each.name not in self.modules]
        if others:
            with formatter.section("From plugins"):
                formatter.write_dl([(each.name, each.line) for each in others])


def _command_of(name: str) -> click.Command:
    """Return a command for an evaluation of a plugin; its options are given by --set."""

    @examples(f"avsa eval {name} runs/avsa --data DATASET")
    @click.command(name, help=EVALUATIONS[name].line)
    @evaluation_options
    @test_data_option
    @worker_options
    def command(subject: str, **shared: Any) -> None:
        carry_out(name, subject, {}, **shared)

    return command


@examples(
    "avsa eval all runs/avsa --data DATASET",
    "avsa eval avsa-bin runs/avsa --data DATASET --views 1",
    "avsa eval avsa-bin --help-config",
    "torchrun --nproc-per-node 4 -m avsa eval avsa-bin runs/avsa --data DATASET",
)
@click.group("eval", cls=EvaluationGroup, modules=COMMANDS)
def command() -> None:
    """Evaluate a trained model.

    RUN is the folder of a run, a checkpoint or an exported model; segmentation and action also take
    scratch (new weights) and kinetics (R(2+1)D-18 trained on Kinetics).

    Each evaluation writes a record, eval/NAME.json in the folder of the run. The same command
    continues an evaluation that was interrupted, and prints the record of one that is complete.
    With torchrun --nproc-per-node N -m avsa eval ..., N devices share the work.
    """
