"""Page sizes, which are told apart from all that draws on them."""

from dataclasses import dataclass

from stopflow.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A page size and its margins, in millimetres."""

    key: str
    width_mm: float
    height_mm: float
    side_mm: float = 18.0
    top_mm: float = 20.0
    bottom_mm: float = 17.0

    @property
    def text_width_mm(self) -> float:
        """Width between the side margins."""
        return self.width_mm - 2 * self.side_mm

    @property
    def floor_mm(self) -> float:
        """Lowest usable place, from the top edge."""
        return self.height_mm - self.bottom_mm


PAPERS = {
    "a4": Paper(key="a4", width_mm=210.0, height_mm=297.0),
    "letter": Paper(key="letter", width_mm=215.9, height_mm=279.4),
}


def require_paper(key: str) -> Paper:
    """Look up a paper size by name.

    Raises
    ------
    SettingsError
        Lists the known sizes.
    """
    paper = PAPERS.get(key.lower())
    if paper is None:
        raise SettingsError("paper", key, valid=PAPERS)
    return paper
