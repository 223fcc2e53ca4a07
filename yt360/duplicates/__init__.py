"""Near duplicates: the same footage in several videos, which must be in one split.

`picture` and `audio` compute fingerprints of moments, `index` finds pairs of recordings whose
fingerprints have words in common, `compare` aligns a pair and decides what it has in common,
`groups` joins pairs into groups of videos, and `run` does all of this for a catalog or a dataset.
"""
