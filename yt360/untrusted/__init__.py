"""Reading what others made: files, names and JSON, each with limits, each in one place.

Datasets, catalogs, lists, checkpoints and web pages come from people whom the user does not know.
Whatever they hold passes one of these modules before anything is done with it:

- `names`: a name that becomes a path.
- `files`: a file that is opened.
- `parsing`: JSON that becomes values of known types.

All of them raise `ValueError` with one line that names the value and what is allowed. The caller
knows whether that is a bad request (`UserError`) or one bad item of many (`BadItem`).
docs/security.md says what is promised.
"""
