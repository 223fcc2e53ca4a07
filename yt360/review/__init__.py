"""Decisions of people about clips: keep, reject, audio layout, front, notes.

Decisions are only added, never changed: an undo is a decision, too. Those about a dataset or a
folder are lines of ``review.jsonl`` in it, those about a catalog are rows of the catalog.
``build-shards`` honours both (`yt360.review.applied`).
"""
