"""The training loop, its options, and checkpoints that survive a kill."""
