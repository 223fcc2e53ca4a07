"""What is drawn over a clip: energy, labels, directions, verdicts, and what a trained model sees.

Each layer is computed by the code that training, labelling and evaluations use. The functions take
arrays or the members of a clip, and return arrays and JSON values; they read no files.
"""
