"""Names of the segmenters and how to install what they need; imports nothing heavy."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["panoptic-fpn", "detectron2", "transformers", "truth"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Not on PyPI. It imports pkg_resources, which setuptools 82 dropped; its setup imports torch.
INSTALL_DETECTRON2 = (
    "pip install 'setuptools<82' && pip install --no-build-isolation "
    "'git+https://github.com/facebookresearch/detectron2.git'"
)
INSTALL_TRANSFORMERS = "pip install 'transformers>=4.50,<6'"
