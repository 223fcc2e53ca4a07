"""``avsa eval``: a command for each evaluation."""

from __future__ import annotations

from typing import Any

import click

from avsa.commands.evals.common import carry_out, evaluation_options
from avsa.evals import EVALUATIONS
from yt360.commands.group import LazyGroup, examples

COMMANDS: dict[str, tuple[str, str]] = {
    "avc-bin": (
        "avsa.commands.evals.avc_bin",
        "Audio-visual correspondence: same clip or not (Table 2).",
    ),
    "avsa-bin": (
        "avsa.commands.evals.avsa_bin",
        "Spatial alignment: sound field turned or not (Table 2).",
    ),
    "segmentation": (
        "avsa.commands.evals.segmentation",
        "Semantic segmentation by distillation (Table 3).",
    ),
    "action": ("avsa.commands.evals.action", "Fine-tune to recognize actions (Table 4)."),
    "localization": (
        "avsa.commands.evals.localization",
        "Where the model sees the sources of the audio (Fig. 7).",
    ),
    "retrieval": ("avsa.commands.evals.retrieval", "Find audio by video, and video by audio."),
    "probe": ("avsa.commands.evals.probe", "Predict facts about scenes from frozen features."),
    "all": ("avsa.commands.evals.all", "Everything that the run and the data allow."),
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
    def command(subject: str, **shared: Any) -> None:
        carry_out(name, subject, {}, **shared)

    return command


@examples("avsa eval --help")
@click.group("eval", cls=EvaluationGroup, modules=COMMANDS)
def command() -> None:
    """Evaluate a trained model.

    Results are written to the folder eval/ of the run, one JSON file for each evaluation, its
    options, the weights and the data. An evaluation that was killed goes on where it was, and one
    that is complete is not repeated.
    """
