"""Synthetic 360° scenes with known sound sources and segmentation, for demos, tests, experiments.

- `world`: content of a scene (`parameters`, `classes`, `motion`, `objects`), sampled from a seed
- `video`: `looks` of objects and background `places`, rendered as `frames`
- `audio`: `voices`, `diffuse` noise and `reverberation`, rendered as `ambix`
- `write` writes scenes to a `folder`; `collection` reads those of one folder or several
"""
