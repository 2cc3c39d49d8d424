"""Words above a frame, where no curve can run: a legend, a remark."""

from matplotlib.axes import Axes

from stopflow.report.paper.style import MUTED


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


def say_above(axes: Axes, said: str) -> None:
    """Put a remark above the frame, on the right."""
    axes.annotate(
        said,
        (1.0, 1.01),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        fontsize=6.3,
        color=MUTED,
    )
