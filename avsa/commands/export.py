"""``avsa export``."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "avsa export runs/avsa --out avsa-model",
    "avsa export runs/avsa --out avsa-onnx --format onnx",
)
@click.command("export")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New folder.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["safetensors", "onnx"]),
    default="safetensors",
    show_default=True,
    help="safetensors: for avsa.load; onnx: both encoders, for programs without torch.",
)
def command(checkpoint: Path, out: Path, form: str) -> None:
    """Write a trained model as safetensors, with its recipe and a model card, or as ONNX.

    --format onnx writes video.onnx and audio.onnx (docs/training.md) and needs the extra [onnx].
    """
    if form == "onnx":
        from avsa.hub.onnx_files import OPSET, export_onnx

        export_onnx(checkpoint, out)
        echo(f"{out}: video.onnx and audio.onnx (opset {OPSET}), equal to torch in onnxruntime")
        return
    from avsa.hub.export import export_model

    export_model(checkpoint, out)
    echo(f'{out}: weights, recipe and model card; to use them: model = avsa.load("{out}")')
