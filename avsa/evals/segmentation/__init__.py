"""Segmentation by distillation (Table 3, Fig. 5 and 6): a head on maps of the video encoder."""
