"""Where the values of training steps go beside the log: TensorBoard, wandb, trackio."""
