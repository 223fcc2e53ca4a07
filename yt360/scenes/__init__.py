"""Synthetic 360° scenes with known sources, sounds and segmentation.

For the demo, for tests, and for honest experiments without downloads. From a seed to files:

- `parameters`: difficulty and file format; `drawing`: a `world.Scene` from seed and number
- what there is: `classes` (numbers of COCO), `looks` on `shapes`, `voices`, `motion`, `objects`
- where it is: `places`, made of `skies`, `horizons`, `grounds` on `textures`, or of a `hall`
- rendering: `picture` and `sound` (with `diffuse` and `reverberation`)
- files: `video`, `write`, and `folder` to read scenes back
"""
