"""The binary tasks of Table 2: do audio and video belong together (AVC-Bin), are they spatially
aligned (AVSA-Bin)?

Section 5 of "Learning Representations from Audio-Visual Spatial Alignment" (Morgado et al.,
NeurIPS 2020). A small head on frozen features of video and audio decides.
"""
