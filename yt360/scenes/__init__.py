"""Synthetic 360° scenes with known sound sources and segmentation, for demos, tests, experiments.

- `world`: what a scene holds (`parameters`, `classes`, `motion`, `objects`), sampled from a seed
- `video`: how it looks (`looks` of objects, `places` as backgrounds), rendered as `frames`
- `audio`: how it sounds (`voices`, `diffuse` noise, `reverberation`), rendered as `ambix`
- `write` makes the files of a folder; `folder` reads scenes back
"""
