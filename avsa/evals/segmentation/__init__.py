"""Segmentation by distillation (Table 3, Fig. 5 and 6): a head on maps of the video encoder.

`config` has the options, and trains and tests. `samples` and `targets` make batches of views with
targets, `networks` and `head` are the networks, `training` has the loss, `testing` and `metrics`
compute confusion matrices and metrics, and `tables` and `pictures` make the result.
"""
