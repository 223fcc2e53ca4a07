"""The whole network, from images to panoptic maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from yt360.labels.panoptic_fpn import merge as merging
from yt360.labels.panoptic_fpn.backbone import Backbone, BackboneWidths
from yt360.labels.panoptic_fpn.detections import DetectionHeads, Detections
from yt360.labels.panoptic_fpn.preprocess import LONG_SIDE, SHORT_SIDE, network_size, to_network
from yt360.labels.panoptic_fpn.proposals import ProposalGenerator
from yt360.labels.panoptic_fpn.semantic import SemanticHead, probability, upsample


@dataclass(frozen=True, kw_only=True)
class Widths(BackboneWidths):
    """Channels of the network; the defaults are those of the published one."""

    box_hidden: int = 1024
    mask_hidden: int = 256
    semantic_hidden: int = 128


@dataclass(frozen=True)
class RawAnswer:
    """The raw outputs of the network for a batch, in pixels of its input.

    Attributes:
        features: ``{"p2": (B, C, H, W), ..., "p6": ...}``.
        proposals: For each image boxes (R, 4) and logits (R,).
        detections: For each image its objects.
        stuff: Logits (B, 54, H / 4, W / 4), padding included.
    """

    features: dict[str, Tensor]
    proposals: list[tuple[Tensor, Tensor]]
    detections: list[Detections]
    stuff: Tensor


class PanopticFPN(nn.Module):
    """Panoptic FPN R-101; parameters are named as in detectron2's checkpoints."""

    def __init__(self, widths: Widths | None = None) -> None:
        super().__init__()
        self.widths = widths or Widths()
        channels = self.widths.fpn
        self.backbone = Backbone(self.widths)
        self.proposal_generator = ProposalGenerator(channels)
        self.roi_heads = DetectionHeads(channels, self.widths.box_hidden, self.widths.mask_hidden)
        self.sem_seg_head = SemanticHead(channels, self.widths.semantic_hidden)

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.proposal_generator.rpn_head.conv.weight.device

    def forward(self, x: Tensor, size: tuple[int, int], mask_score: float = 0.0) -> RawAnswer:
        """Run the network.

        Args:
            x: (B, 3, H, W) from `to_network`; H and W are multiples of 32.
            size: Height and width without padding.
            mask_score: Objects below this score are dropped before their mask is computed.
        """
        features = self.backbone(x)
        proposals = self.proposal_generator(features, size)
        boxes = [box for box, _ in proposals]
        detections = self.roi_heads(features, boxes, size, mask_score)
        return RawAnswer(features, proposals, detections, self.sem_seg_head(features))

    @torch.inference_mode()
    def segment(
        self,
        images: Tensor,
        *,
        short_side: int = SHORT_SIDE,
        long_side: int = LONG_SIDE,
        stuff_area: float = merging.STUFF_AREA,
    ) -> list[merging.Panoptic]:
        """Return the panoptic maps of images of one shape, each at the images' size.

        Args:
            images: (B, H, W, 3) uint8 RGB.
            short_side: Size in pixels to which the shorter side is resized.
            long_side: Maximum size of the longer side.
            stuff_area: Minimum area of a stuff segment in pixels of the images.
        """
        height, width = images.shape[1:3]
        size = network_size(height, width, short_side, long_side)
        x = to_network(images.to(self.device), size)
        answer = self(x, size, merging.INSTANCE_SCORE)
        return _panoptic_maps(answer, size, (height, width), stuff_area)


def _panoptic_maps(
    answer: RawAnswer, size: tuple[int, int], output: tuple[int, int], stuff_area: float
) -> list[merging.Panoptic]:
    maps = []
    for found, stuff in zip(answer.detections, answer.stuff, strict=True):
        label = upsample(stuff, size, output).argmax(dim=0).cpu()
        sure = probability(stuff, size, output).cpu()
        # Merge on the CPU, because merging processes objects one by one in small windows.
        things = merging.to_output(found.cpu(), size, output)
        maps.append(merging.merge(things, label, sure, stuff_area))
    return maps
