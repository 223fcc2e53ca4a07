"""Action recognition (Table 4): fine-tuning of the video encoder on UCF101 or HMDB51.

`evaluation` has the options, and trains and tests on each fold. `lists` reads the split lists,
`windows` reads clip windows of a video, `decoding` does so in other processes, `training` makes
batches, `testing` scores test videos, `network` has the network and the augmentation, and `summary`
computes the metrics of all folds.
"""
