"""Benchmarks.

`benchmarks.areas` are the cases of `tools/bench.py`. The other programs measure one thing each and
are started by themselves: ``PYTHONPATH=tools python -m benchmarks.inspect``, and `action`,
`catalog`, `duplicates` and `labels`.
"""
