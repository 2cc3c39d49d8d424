"""Singular values and stable ranks over training, drawn from the history."""

import re
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stopflow.report.models.figures import count_epochs
from stopflow.report.paper.flow import FlowBlock, Paragraph, build_heading, row_picture
from stopflow.report.paper.scales import use_log_y
from stopflow.report.paper.style import CATEGORY_COLOURS, MUTED

SIGMA: Final = re.compile(r"(weight|gradient)_sigma_(\d+)_(\d+)")
SMALLEST: Final = 1e-6
"""Of the largest singular value: what lies below is not drawn."""


def build_spectra_blocks(history: pd.DataFrame) -> list[FlowBlock]:
    """Return a row of pictures for each layer; nothing where spectra were not tracked."""
    found = [SIGMA.fullmatch(str(name)) for name in history.columns]
    layers = sorted({int(match[2]) for match in found if match})
    if not layers:
        return []
    blocks: list[FlowBlock] = [
        build_heading("Singular values over training"),
        Paragraph(
            text="Leading singular values of each layer's weights and of the loss's full gradient "
            "by them on the first training rows; stable rank: sum of squares over the largest "
            "square.",
            size=6.6,
            colour=MUTED,
            keep_with_next=True,
        ),
    ]
    for layer in layers:
        painters = [
            partial(draw_sigma, history=history, of="weight", layer=layer),
            partial(draw_sigma, history=history, of="gradient", layer=layer),
            partial(draw_stable_ranks, history=history, layer=layer),
        ]
        shows = [f"{name} of layer {layer}" for name in ("weights", "gradients", "stable ranks")]
        blocks.append(row_picture(painters, tall_mm=48.0, shows=shows))
    return blocks


def draw_sigma(axes: Axes, history: pd.DataFrame, *, of: str, layer: int) -> None:
    """Draw the leading singular values of a layer's weights or gradients, the largest darkest."""
    names = [
        str(name)
        for name in history.columns
        if (match := SIGMA.fullmatch(str(name))) and (match[1], int(match[2])) == (of, layer)
    ]
    for place, name in enumerate(names):
        axes.plot(
            history["epoch"],
            history[name],
            color=CATEGORY_COLOURS[of == "gradient"],
            alpha=1.0 - 0.75 * place / len(names),
            linewidth=0.9,
            marker="o" if len(history) == 1 else None,
            markersize=2.0,
        )
    values = history[names].to_numpy(float)
    drawn = values[np.isfinite(values) & (values > 0)]
    if len(drawn):
        use_log_y(axes, max(drawn.min(), SMALLEST * drawn.max()) / 1.3, drawn.max() * 1.3)
    count_epochs(axes)
    axes.set_ylabel(f"σ of the {of}s, layer {layer}" if of == "weight" else "σ of the gradient")


def draw_stable_ranks(axes: Axes, history: pd.DataFrame, *, layer: int) -> None:
    """Draw the stable rank of a layer's weights and of their gradient."""
    for place, of in enumerate(("weight", "gradient")):
        axes.plot(
            history["epoch"],
            history[f"{of}_stable_rank_{layer}"],
            color=CATEGORY_COLOURS[place],
            linewidth=1.0,
            label=of,
            marker="o" if len(history) == 1 else None,
        )
    axes.set_ylim(bottom=0)
    count_epochs(axes)
    axes.set_ylabel("stable rank")
    axes.legend(loc="best")
