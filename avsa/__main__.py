"""``python -m avsa``, and so ``torchrun -m avsa``."""

from avsa.cli import main

main()
