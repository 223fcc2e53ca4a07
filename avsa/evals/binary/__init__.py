"""The binary tasks of Table 2: AVC-Bin and AVSA-Bin.

A small head on frozen features decides whether video and audio belong to the same clip, or whether
they are spatially aligned. Section 5 of "Learning Representations from Audio-Visual Spatial
Alignment" (Morgado et al., NeurIPS 2020).
"""
