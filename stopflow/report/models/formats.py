"""Numbers of a model as its report writes them."""

import numpy as np

from stopflow.report.paper.rounding import MISSING, format_digits


def say_rate(value: float) -> str:
    """Write an error in 1/s."""
    return format_digits(value, 3)


def say_count(value: float) -> str:
    """Write a whole number in groups of three."""
    return f"{value:,.0f}".replace(",", "\u2009") if np.isfinite(value) else MISSING


def say_seconds(value: float) -> str:
    """Write a duration in s, or min when long."""
    if not np.isfinite(value):
        return MISSING
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"
