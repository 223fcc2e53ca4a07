"""The command line of avsa: a table of commands, each in a module of its own."""

from __future__ import annotations

import os
import sys

import click

from avsa import __version__
from yt360.commands.group import LazyGroup
from yt360.commands.run import run
from yt360.execution.freed_memory import keep_freed_memory
from yt360.execution.quick_exit import quick_exit
from yt360.terminal.output import guard

COMMANDS = {
    "stats": ("avsa.commands.stats", "Measure the audio statistics that training needs."),
    "preview": ("avsa.commands.preview", "Draw training samples as the network sees them."),
    "train": ("avsa.commands.train", "Train on a dataset by a recipe."),
    "eval": ("avsa.commands.eval", "Evaluate a trained model."),
    "report": ("avsa.commands.evals.report", "Show results beside the paper's numbers."),
    "compare": ("avsa.commands.evals.compare", "Compare two models video by video."),
    "embed": ("avsa.commands.embed", "Compute features of every clip of a dataset."),
    "import-checkpoint": ("avsa.commands.import_checkpoint", "Import the paper's weights."),
    "push": ("avsa.commands.push", "Push a model to a hub, with a card of its evaluations."),
    "export": ("avsa.commands.export", "Write a model as safetensors or as ONNX."),
}


@click.group(cls=LazyGroup, modules=COMMANDS)
@click.version_option(__version__, prog_name="avsa")
def cli() -> None:
    """Learn audio-visual representations from 360° video by spatial alignment."""


def main() -> None:
    """Entry point of the ``avsa`` command."""
    # Before torch is loaded: its threads must sleep, not spin, while they wait for each other, or
    # they keep the decoding threads off the cores (a step took 10 times as long on a busy machine).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory(os.environ)
    guard()
    with quick_exit(_has_torch_without_cuda):
        run(cli)


def _has_torch_without_cuda() -> bool:
    """Return whether torch is loaded; not if profilers of CUDA may have to write what is left."""
    is_initialized = getattr(sys.modules.get("torch.cuda"), "is_initialized", None)
    return is_initialized is not None and not is_initialized()
