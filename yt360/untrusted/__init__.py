"""Reading what others made: files, names, JSON, answers of servers; each with limits, in one place.

Datasets, catalogs, lists, checkpoints and web pages come from people whom the user does not know.
Whatever they hold passes one of these modules before anything is done with it:

- `names`: a name that becomes a path.
- `files`: a file that is opened.
- `parsing`: JSON that becomes values of known types.
- `http`, with `addresses` and `transfer`: what servers are asked, and how much they may send.

All but `http` raise `ValueError` with one line that names the value and what is allowed. The caller
knows whether that is a bad request (`UserError`) or one bad item of many (`BadItem`).
docs/security.md says what is promised.
"""
