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
from yt360.labels.panoptic_fpn.semantic import SemanticHead, most_probable, probability


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
        return self.predict(images, short_side, long_side).panoptic(stuff_area)

    @torch.inference_mode()
    def predict(
        self, images: Tensor, short_side: int = SHORT_SIDE, long_side: int = LONG_SIDE
    ) -> Prediction:
        """Return what the network finds in images, see `segment`; does not wait for a GPU."""
        height, width = images.shape[1:3]
        size = network_size(height, width, short_side, long_side)
        x = to_network(images.to(self.device), size)
        answer = self(x, size, merging.INSTANCE_SCORE)
        return Prediction(answer, size, (height, width))


class Prediction:
    """Objects and stuff of a batch on their way to the CPU, where they are merged.

    Args:
        answer: Output of the network for images of one shape.
        network: Height and width of its input without padding.
        output: Height and width of the images.
    """

    def __init__(
        self, answer: RawAnswer, network: tuple[int, int], output: tuple[int, int]
    ) -> None:
        self._network, self._output = network, output
        found = answer.detections
        self._counts = [len(each.scores) for each in found]
        on_device = [
            torch.stack([most_probable(stuff, network, output) for stuff in answer.stuff]),
            torch.stack([probability(stuff, network, output) for stuff in answer.stuff]),
            torch.cat([each.boxes for each in found]).float(),
            torch.cat([each.scores for each in found]).float(),
            torch.cat([each.classes for each in found]),
            torch.cat([each.masks for each in found]).float(),
        ]
        self._tensors = [tensor.to("cpu", non_blocking=True) for tensor in on_device]
        self._copied: torch.cuda.Event | None = None
        if answer.stuff.is_cuda:
            self._copied = torch.cuda.Event()
            self._copied.record()

    @torch.inference_mode()
    def panoptic(self, stuff_area: float = merging.STUFF_AREA) -> list[merging.Panoptic]:
        """Wait for the copies and return the panoptic map of each image, see `merge`.

        May be called in another thread. Merging takes objects one by one, so it is done on the CPU.
        """
        if self._copied is not None:
            self._copied.synchronize()
        labels, sure, *fields = self._tensors
        parts = zip(*(field.split(self._counts) for field in fields), strict=True)
        maps = []
        for label, probable, part in zip(labels, sure, parts, strict=True):
            things = merging.to_output(Detections(*part), self._network, self._output)
            maps.append(merging.merge(things, label, probable, stuff_area))
        return maps
