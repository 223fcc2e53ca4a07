"""Localization of sound sources by Grad-CAM (Fig. 7).

`evaluation` has the options, `testing` goes through the clips of the test split, `localizer`
computes the maps of a clip with `grad_cam` and `panorama`, `directions` reads the true directions,
`scores` computes the metrics, and `sheet` draws the pictures.
"""
