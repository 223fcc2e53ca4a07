"""Worker processes that compute what an evaluation needs of each clip, on any executor."""
