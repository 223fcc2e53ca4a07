"""Localization of sound sources by Grad-CAM (Fig. 7).

`evaluation` has the options and the order of work, `localizer` the maps of a clip, `grad_cam` and
`panorama` their mathematics, `directions` the true directions, `scores` the numbers, and `sheet`
the pictures.
"""
