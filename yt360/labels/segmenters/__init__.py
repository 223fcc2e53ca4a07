"""Ways of segmenting pictures, behind one interface (`base.Segmenter`).

- `native`: this package's Panoptic FPN;
- `with_detectron2`: any panoptic model of detectron2's zoo, where detectron2 is installed;
- `with_transformers`: Mask2Former and OneFormer models, where transformers is installed;
- `truth`: what synthetic scenes really show.

`make.make_segmenter` chooses among them by name; `batches` feeds them.
"""
