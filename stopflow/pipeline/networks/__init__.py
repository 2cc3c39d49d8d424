"""Networks trained, compared, refined and asked for rates."""
