"""``avsa eval avsa-bin``."""

from avsa.commands.evals.binary import binary_command

command = binary_command(
    "avsa-bin",
    """Evaluate spatial alignment (AVSA-Bin, Table 2).

    A head on frozen features decides whether the audio is aligned with the video, or the sound
    field was turned about the vertical.
    """,
)
