"""Ways of segmenting pictures, behind one interface (`base.Segmenter`).

- `native`: this package's Panoptic FPN;
- `with_detectron2`: any Panoptic FPN of detectron2's zoo, where detectron2 is installed;
- `with_transformers`: Mask2Former and OneFormer models, where transformers is installed;
- `truth`: what synthetic scenes really show.

`kinds` names them, `make.make_segmenter` chooses among them by name; `batches` feeds them.
"""
