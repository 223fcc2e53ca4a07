"""The inputs of a build: what they are, and how they are found in files and folders.

A build gets `input_video.FoundInputs`, from folders (`search`) or from a catalog
(`yt360.catalog.build_inputs`).
"""
