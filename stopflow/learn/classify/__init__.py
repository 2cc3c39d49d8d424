"""Classes of images: the second task of the training loop."""
