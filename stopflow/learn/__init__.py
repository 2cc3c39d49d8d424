"""Networks that predict k from a trace: data, split, training, evaluation, saved models."""
