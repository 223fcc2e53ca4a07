"""Segmenters: predict class, score and instance of every pixel of images.

To add one, write a module with a config dataclass and a segmenter (`base.Segmenter`)::

    @SEGMENTERS.register
    @dataclass(frozen=True, kw_only=True)
    class MyConfig:
        '''What it is, in one line.'''
        kind: str = "my-segmenter"
        threshold: float = 0.5                      # --set threshold=0.7
        def build(self, device): return MySegmenter(self, device)

and name the module with ``--plugin``. Built-in ones have a line in the table below instead of the
decorator. `docs/extending.md` has a complete example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.registry import Entry, Registry

if TYPE_CHECKING:
    from yt360.labels.segmenters.base import SegmenterConfig

_HERE = "yt360.labels.segmenters"

SEGMENTERS: Registry[SegmenterConfig] = Registry(
    "segmenter",
    "yt360.segmenters",
    Entry(
        "panoptic-fpn",
        f"{_HERE}.panoptic_fpn:PanopticFPNConfig",
        "The Panoptic FPN R-101 of this package.",
        "--checkpoint FILE, such as model_final_cafdb1.pkl (see docs/labels.md)",
    ),
    Entry(
        "detectron2",
        f"{_HERE}.with_detectron2:Detectron2Config",
        "A Panoptic FPN of detectron2's model zoo.",
        "detectron2, built from source (see docs/labels.md)",
    ),
    Entry(
        "transformers",
        f"{_HERE}.with_transformers:TransformersConfig",
        "A panoptic model of the transformers library, such as Mask2Former or OneFormer.",
        "the library transformers and --model, a folder or a hub name such as "
        "facebook/mask2former-swin-tiny-coco-panoptic",
    ),
    Entry(
        "truth",
        f"{_HERE}.truth:TruthConfig",
        "The ground truth of synthetic scenes.",
        "--scenes FOLDER, written by `yt360 scenes`",
    ),
)
"""All segmenters by name."""
