"""Action recognition (Table 4): fine-tuning of the video encoder on UCF101 or HMDB51.

`evaluation` is the evaluation. `lists` reads the split lists, `windows` chooses the clip windows of
a video, `decoding` reads them in other processes, `training` and `testing` turn them into batches
and scores, `network` is what is trained, and `summary` makes the numbers of all folds.
"""
