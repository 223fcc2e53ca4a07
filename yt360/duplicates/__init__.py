"""Near duplicates: the same footage in several videos, which must not cross the split.

`picture` and `audio` make fingerprints that are local in time, `index` finds pairs of recordings
whose fingerprints share words, `compare` aligns a pair and decides what it has in common, `groups`
joins pairs into groups of videos, and `run` does all of it for a catalog or a dataset.
"""
