"""Fuzzing the places where the two packages read what others made; run by ``python -m fuzzing``.

- `door`: what a door is: valid inputs, how to change them, how the product reads them.
- `mutate`, `archives`, `pickles`, `tables`: changing bytes, texts, values, and what holds them.
- `trial`: reading one input, and judging what came of it.
- `run`: many inputs in a child process that may hang, crash or run out of memory.
- `material`: valid inputs to start from.
- `doors_*`: the doors, a module for each kind of data.
"""
