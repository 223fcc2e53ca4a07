"""Panoptic FPN with a ResNet-101 (Kirillov et al. 2019), for inference, without detectron2.

The results are those of detectron2's ``COCO-PanopticSegmentation/panoptic_fpn_R_101_3x`` on the
same weights. One module per stage, in the order of processing::

    preprocess  an image -> a padded network input
    backbone    input -> feature maps p2 ... p6 (ResNet-101 and feature pyramid)
    proposals   feature maps -> boxes that may contain an object
    detections  proposals -> classed boxes and their masks
    semantic    feature maps -> stuff classes of every pixel
    merge       detections + stuff -> one panoptic map at the size of the image
    network     all of them in order;  checkpoint: reading published weights

Module attributes carry detectron2's parameter names, so that its checkpoints load strictly and
unchanged. Letters in shapes: B images, C channels, H, W, A anchors per position, R boxes.
"""

from yt360.labels.panoptic_fpn.checkpoint import load_network
from yt360.labels.panoptic_fpn.merge import Panoptic
from yt360.labels.panoptic_fpn.network import PanopticFPN, Widths

__all__ = ["Panoptic", "PanopticFPN", "Widths", "load_network"]
