"""How the pictures and the tables of an experiment share its pages, so that none is half empty."""

from dataclasses import dataclass

_STRIP_MM, _LEAST_STRIP_MM, _MOST_STRIP_MM = 54.0, 44.0, 110.0
_LEAST_TRACES_MM, _USUAL_TRACES_MM, _MOST_TRACES_MM = 50.0, 76.0, 128.0
_SLACK_MM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Heights of the pictures of an experiment.

    Attributes
    ----------
    traces_mm, strip_mm
        Of the traces with their residuals, and of k against the cut and of each shot.
    on_one_page
        Whether the tables stand on the page of the traces, too.
    strip_beside_tables
        Whether the strip stands above the tables on a page of theirs.
    """

    traces_mm: float
    strip_mm: float
    on_one_page: bool
    strip_beside_tables: bool = False


def share_room(
    *,
    page_mm: float,
    above_mm: float,
    notes_mm: tuple[float, ...],
    below_mm: float,
    has_strip: bool,
) -> Room:
    """Choose the heights of the pictures of an experiment.

    A little lower where everything then fits on one page. Else the traces fill the first page, and
    the strip goes with the tables to the second; where that has no room for it, it stays with the
    traces, and they are of their usual height where the tables take several pages anyway.

    Parameters
    ----------
    above_mm, below_mm
        Height of the heading above the pictures, and of the tables below them.
    notes_mm
        Height of the caption of both pictures, of that of the traces, and of that of the strip.
    """
    of_both_mm, of_traces_mm, of_strip_mm = notes_mm
    room_mm = page_mm - above_mm - of_both_mm - _SLACK_MM
    left_mm = room_mm - below_mm
    if not has_strip:
        least_mm, strip_mm = _LEAST_TRACES_MM, 0.0
    else:
        least_mm = _LEAST_TRACES_MM + _LEAST_STRIP_MM
        strip_mm = min(_STRIP_MM, max(left_mm - _LEAST_TRACES_MM, _LEAST_STRIP_MM))
    if left_mm >= least_mm:
        traces_mm = min(left_mm - strip_mm, _MOST_TRACES_MM)
        return Room(traces_mm=traces_mm, strip_mm=strip_mm, on_one_page=True)
    second_mm = page_mm - of_strip_mm - below_mm - _SLACK_MM
    if has_strip and second_mm >= _LEAST_STRIP_MM:
        return Room(
            traces_mm=page_mm - above_mm - of_traces_mm - _SLACK_MM,
            strip_mm=min(second_mm, _MOST_STRIP_MM),
            on_one_page=False,
            strip_beside_tables=True,
        )
    strip_mm = _STRIP_MM if has_strip else 0.0
    traces_mm = room_mm - strip_mm if below_mm <= page_mm else _USUAL_TRACES_MM
    return Room(traces_mm=traces_mm, strip_mm=strip_mm, on_one_page=False)
