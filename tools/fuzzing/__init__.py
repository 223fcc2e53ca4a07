"""Fuzzing of everything that reads untrusted data; run by ``python -m fuzzing``.

- `door`: a door is one reader of untrusted data, with valid inputs and a mutation.
- `mutate`, `archives`, `pickles`, `tables`: changing bytes, texts, values, and what holds them.
- `trial`: reading one input, and classifying the outcome.
- `run`: many inputs in a child process that may hang, crash or run out of memory.
- `material`: valid inputs to start from.
- `doors_*`: the doors, a module for each kind of data.
"""
