"""Read untrusted data: files, names, JSON and responses of servers, with limits.

Datasets, catalogs, lists, checkpoints and web pages have unknown authors. One of these modules
validates their content before it is used:

- `names`: names that become paths.
- `files`: opening files.
- `parsing`: JSON, converted to values of known types.
- `http`, with `addresses` and `transfer`: requests, and the size and rate of responses.

All modules except `http` raise `ValueError`, whose one line states the value and what is allowed.
The caller converts it to a `UserError`, or to a `BadItem` if it concerns one item of many.
docs/security.md lists the guarantees.
"""
