"""Export of the encoders as ONNX: ``video.onnx`` and ``audio.onnx``, for programs without torch.

Each file has one input, named like the file, and one output, ``features``; the size of the batch is
free. What prepares the inputs is metadata of the file (`metadata`), not part of the network.

Shapes: B batch, T frames, H and W of a view, C channels, N time steps, F mel bands, D features.
"""

from __future__ import annotations

import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avsa.hub.load import Model, load
from avsa.views.colors import RGB_MEAN, RGB_STD
from yt360.config import to_mapping
from yt360.errors import UserError
from yt360.files import atomic_write
from yt360.terminal.text import shortened

OPSET = 18
"""Version of the operators of ONNX."""
TOLERANCE = 1e-4
"""Largest difference from torch, absolute and relative, of a file that is written."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MODALITIES = ("video", "audio")
METADATA_KEY = "avsa"
_STATISTICS = ("mean_db", "std_db")
_BATCH = 2  # of the examples; torch.export makes a constant of a batch of 1


def export_onnx(checkpoint: Path, out: Path) -> None:
    """Write both encoders of a trained model, in evaluation mode and float32.

    Each file is first computed by onnxruntime and compared with torch.

    Args:
        checkpoint: A checkpoint file, the folder of a run, or a folder that `avsa export` wrote.
        out: A folder that is new, empty, or left by an interrupted call.

    Raises:
        UserError: `checkpoint` is not a checkpoint; `out` holds something else (``"exists"``); a
            package is missing (``"dependency"``); ONNX has no operator for an encoder, or computes
            something else (``"unsupported"``).
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise UserError(
            f"--format onnx needs {', '.join(missing)}: `pip install {' '.join(PACKAGES)}` (the "
            "extra [onnx])",
            "dependency",
            missing[0],
        )
    model = load(checkpoint)
    names = [f"{modality}.onnx" for modality in MODALITIES]
    _require_free(out, names)
    files = [onnx_file(model, modality) for modality in MODALITIES]
    out.mkdir(parents=True, exist_ok=True)
    for name, content in zip(names, files, strict=True):
        with atomic_write(out / name) as file:
            file.write(content)


def _require_free(out: Path, names: list[str]) -> None:
    """Refuse a folder that has anything but what a killed call left: not all files of `names`."""
    ours = tuple(each for name in names for each in (name, f".{name}."))
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    others = [name for name in found if not name.startswith(ours)]
    if others or found.issuperset(names) or (out.exists() and not out.is_dir()):
        raise UserError(f"{out} is not an empty folder; choose another --out", "exists", "--out")


def onnx_file(model: Model, modality: str) -> bytes:
    """Return the encoder of ``"video"`` or ``"audio"`` as the bytes of an ONNX file.

    Raises:
        UserError: ``"unsupported"``, as for `export_onnx`.
    """
    encoder = model.encoders.get_submodule(modality).eval()
    example = torch.randn(input_shape(model, modality), generator=torch.Generator().manual_seed(0))
    try:
        content = _converted(encoder, example, modality, metadata(model, modality))
        difference = _difference(content, encoder, example, modality)
    except Exception as error:  # exporter and runtime raise exceptions of many kinds
        cause: BaseException = error
        while cause.__cause__ is not None:  # the exporter says there what it lacks
            cause = cause.__cause__
        first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise UserError(
            f"the encoder of {modality} cannot be written as ONNX: {shortened(first_line, 300)}; "
            "leave out --format onnx",
            "unsupported",
            f"encoders.{modality}",
        ) from error
    if not difference <= TOLERANCE:  # also for NaN
        raise UserError(
            f"the encoder of {modality} differs by {difference:.2g} between ONNX and torch; at "
            f"most {TOLERANCE:g} is allowed; leave out --format onnx",
            "unsupported",
            f"encoders.{modality}",
        )
    return content


def input_shape(model: Model, modality: str) -> tuple[int, ...]:
    """Return the shape of an input: (B, 3, T, H, W) of video, (B, C, N, F) of audio."""
    config = model.config
    if modality == "video":
        frames = round(config.data.video_duration_s * model.fps)
        return _BATCH, 3, frames, config.views.height, config.views.width
    audio = config.audio
    steps = audio.steps(round(config.data.audio_duration_s * audio.sample_rate_hz))
    return _BATCH, audio.num_channels, steps, audio.n_mels


def metadata(model: Model, modality: str) -> dict[str, Any]:
    """Return what a file says of its model: recipe, steps, and what prepares its inputs."""
    config = model.config
    content = {"modality": modality, "step": model.step, "config": to_mapping(config)}
    if modality == "video":
        return content | {
            "fps": model.fps,
            "duration_s": config.data.video_duration_s,
            "rgb_mean": RGB_MEAN.tolist(),
            "rgb_std": RGB_STD.tolist(),
        }
    statistics = vars(model.audio_statistics) if model.audio_statistics else {}
    return content | {
        "sample_rate_hz": config.audio.sample_rate_hz,
        "duration_s": config.data.audio_duration_s,
        **{name: statistics[name].tolist() if statistics else None for name in _STATISTICS},
    }


def _converted(encoder: nn.Module, example: Tensor, modality: str, facts: dict[str, Any]) -> bytes:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about the exporter's own use of torch
        program = torch.onnx.export(
            encoder,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[modality],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    if program is None:
        raise ValueError("the exporter of torch returns nothing")
    proto = program.model_proto
    _forget_sources(proto)
    facts_entry = proto.metadata_props.add()
    facts_entry.key, facts_entry.value = METADATA_KEY, json.dumps(facts)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _forget_sources(proto: Any) -> None:
    """Remove the lines of source and the paths that the exporter notes at every node and value."""
    graph = proto.graph
    values = (graph.input, graph.output, graph.value_info, graph.initializer, graph.node)
    for each in (proto, graph, *(one for group in values for one in group)):
        del each.metadata_props[:]
        each.doc_string = ""


def _difference(content: bytes, encoder: nn.Module, example: Tensor, modality: str) -> float:
    """Return the largest difference between onnxruntime and torch, over more than one batch size.

    Differences of features above 1 are relative.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = 0.0
    for views in (example, example[:1]):
        (features,) = session.run(["features"], {modality: views.numpy()})
        with torch.no_grad():
            wanted = encoder(views)
        if features.shape != wanted.shape:
            raise ValueError(f"features are {features.shape} instead of {tuple(wanted.shape)}")
        errors = (torch.from_numpy(features) - wanted).abs() / wanted.abs().clamp(min=1)
        largest = max(largest, float(errors.max().nan_to_num(nan=float("inf"))))
    return largest
