"""Evaluations of a trained model: the tables and figures of the paper, and more.

To add an evaluation, write a module with a config class::

    @EVALUATIONS.register
    @config_class
    class MyEvaluationConfig(EvaluationConfig):
        '''What it measures, in one line.'''
        kind: Literal["my-evaluation"] = "my-evaluation"
        def evaluate(self, context): return Result(metrics={"accuracy": Metric(value=0.5)})

and name the module with ``--plugin``: ``avsa --plugin my_module eval my-evaluation RUN``. Built-in
ones have a line in the table below instead of the decorator. `docs/extending.md` has a complete
example; `avsa.evals.base` says what an evaluation gets and returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.registry import Entry, Registry

if TYPE_CHECKING:
    from avsa.evals.base import EvaluationConfig

EVALUATIONS: Registry[EvaluationConfig] = Registry(
    "evaluation",
    "avsa.evaluations",
    Entry(
        "avc-bin",
        "avsa.evals.binary.avc_bin:AvcBinConfig",
        "Binary audio-visual correspondence (Table 2): do video and audio come from the same clip?",
    ),
    Entry(
        "avsa-bin",
        "avsa.evals.binary.avsa_bin:AvsaBinConfig",
        "Binary spatial alignment (Table 2): was the sound field turned?",
    ),
    Entry(
        "segmentation",
        "avsa.evals.segmentation.config:SegmentationConfig",
        "Semantic segmentation of views by a head on feature maps of the video encoder (Table 3).",
        "labels of the dataset",
    ),
    Entry(
        "action",
        "avsa.evals.action.evaluation:ActionConfig",
        "Action recognition by fine-tuning of the video encoder, on UCF101 or HMDB51 (Table 4).",
        "the folder of UCF101 or HMDB51",
    ),
    Entry(
        "localization",
        "avsa.evals.localization.evaluation:LocalizationConfig",
        "Localization of sound sources by Grad-CAM, with controls (Fig. 7).",
        "a task that compares embeddings",
    ),
    Entry(
        "retrieval",
        "avsa.evals.retrieval:RetrievalConfig",
        "Retrieval of audio by video and of video by audio.",
        "a task that compares embeddings",
    ),
    Entry(
        "probe",
        "avsa.evals.probe.evaluation:ProbeConfig",
        "Linear and k-NN probes of the encoders on synthetic scenes.",
        "the scenes from which the dataset was built",
    ),
)
"""All evaluations by name."""
