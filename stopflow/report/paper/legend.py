"""A legend where no curve can run."""

from matplotlib.axes import Axes


def put_legend_above(axes: Axes, *, columns: int) -> None:
    """Put the key of the labelled lines between the frame and the title."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.99),
        ncols=columns,
        fontsize=6.4,
        handlelength=1.6,
        handletextpad=0.4,
        columnspacing=1.1,
        borderpad=0.2,
    )
