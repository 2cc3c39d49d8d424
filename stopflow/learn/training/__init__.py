"""The training loop: preparation of the inputs, augmentation, steps, checkpoints."""
