"""``avsa eval avc-bin``."""

from avsa.commands.evals.binary import binary_command

command = binary_command(
    "avc-bin",
    """Evaluate audio-visual correspondence (AVC-Bin, Table 2).

    A head on frozen features decides whether video and audio come from the same clip.
    """,
)
