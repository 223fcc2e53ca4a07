"""Panoptic FPN with a ResNet-101 (Kirillov et al. 2019), for inference, without detectron2.

The answers are those of detectron2's ``COCO-PanopticSegmentation/panoptic_fpn_R_101_3x`` on the
same weights. One module a stage, in the order in which a picture passes them::

    preprocess  a picture -> a padded network input
    backbone    input -> feature maps p2 ... p6 (ResNet-101 and feature pyramid)
    proposals   feature maps -> boxes that may hold an object
    detections  proposals -> classed boxes and their masks
    semantic    feature maps -> stuff classes of every pixel
    merge       detections + stuff -> one panoptic map at the size of the picture
    network     all of them in order;  checkpoint: reading published weights

Module attributes carry detectron2's parameter names, so that its checkpoints load strictly and
unchanged. Letters in shapes: B pictures, C channels, H, W, A anchors a place, R boxes.
"""

from yt360.labels.panoptic_fpn.checkpoint import load_network
from yt360.labels.panoptic_fpn.merge import Panoptic
from yt360.labels.panoptic_fpn.network import PanopticFPN, Widths

__all__ = ["Panoptic", "PanopticFPN", "Widths", "load_network"]
