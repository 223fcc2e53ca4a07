"""What a trained model sees of a clip, for the page of ``yt360 explore``."""
