"""Where the time of a training step goes: phases, traces of torch.profiler, and what they say."""
