"""The split of each video of a build: by groups and hash, or given with the inputs."""
