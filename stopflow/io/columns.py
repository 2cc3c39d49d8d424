"""What the columns of a workbook mean: a table of known names, and units in headers.

Headers are compared after `fold_name`: case, blanks, punctuation and accents do not count. A unit
stands behind the name, as in ``Rate (s-1)``, ``[S] (µM)``, ``T / K``, ``conc in mM``,
``temperature_K``.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stopflow.io.units import CONCENTRATION, RATE, TEMPERATURE, TIME, Scale, fold_unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something a column can hold.

    Attributes
    ----------
    meaning
        In words, for messages.
    names
        Folded headers, best first.
    unit_names
        Folded headers so short that they count only with a unit of this quantity behind them.
    units
        Units it can have; empty for texts and counts.
    assumed
        Unit where neither header nor cell says one; ``""``: decided by who uses the value.
    """

    meaning: str
    names: tuple[str, ...]
    unit_names: tuple[str, ...] = ()
    units: Mapping[str, Scale] | None = None
    assumed: str = ""


QUANTITIES: dict[str, Quantity] = {
    "file": Quantity(
        meaning="file name",
        names=tuple(
            "filename filenames file files bkafile bka bkaname datafile tracefile dateiname datei "
            "nomdufichier fichier name trace".split()
        ),
    ),
    "start": Quantity(
        meaning="start time",
        names=tuple(
            "xstart start starttime tstart xstarttime startx startvalue startvalues startwert "
            "startzeit fitstart cutoff cut".split()
        ),
        units=TIME,
    ),
    "rate": Quantity(
        meaning="the lab's own rate constant",
        names=tuple(
            "rate kobs kobserved kobsd observedrate observedrateconstant rateconstant "
            "ratevalue k kapp geschwindigkeitskonstante vitesse".split()
        ),
        units=RATE,
        assumed="s-1",
    ),
    "substrate": Quantity(
        meaning="substrate",
        names=tuple(
            "substrate substratename substrat ligand reactant compound inhibitor analyte".split()
        ),
    ),
    "concentration": Quantity(
        meaning="concentration",
        names=tuple(
            "[s] [substrate] concentrationaftermixing concentration conc substrateconcentration "
            "substrateconc concentrationofsubstrate sconc konzentration konz "
            "[ligand] [l] ligandconcentration".split()
        ),
        unit_names=("S", "C", "c", "substrate", "ligand"),
        units=CONCENTRATION,
        assumed="M",
    ),
    "temperature": Quantity(
        meaning="temperature",
        names=tuple("temperature temp temperatur temperatura".split()),
        unit_names=("T",),
        units=TEMPERATURE,
    ),
    "ionic_strength": Quantity(
        meaning="ionic strength",
        names=tuple("ionicstrength ionstrength ionenstarke forceionique".split()),
        unit_names=("I",),
        units=CONCENTRATION,
        assumed="M",
    ),
    "replicate": Quantity(
        meaning="replicate number",
        names=tuple(
            "replicate rep replicateno replicatenumber repeat repetition run shot shotno "
            "wiederholung".split()
        ),
    ),
    "channel": Quantity(
        meaning="signal channel", names=tuple("channel channelno chan ch kanal".split())
    ),
    "dead_time": Quantity(
        meaning="dead time of the instrument",
        names=tuple("deadtime totzeit tempsmort".split()),
        units=TIME,
        assumed="ms",
    ),
}
"""Key -> quantity. A further ``[X]`` with a unit of concentration is taken as a concentration."""

_GENERIC_RANK = 99
_UNIT_FORMS = (
    re.compile(r"(?P<name>.*\S)\s*[(\[{](?P<unit>[^()\[\]{}]*)[)\]}]\s*"),
    re.compile(r"(?P<name>.*\S)\s*/\s*(?P<unit>[^\s(].*?)\s*"),
    re.compile(r"(?P<name>.*\S)\s+in\s+(?P<unit>\S.*?)\s*"),
    re.compile(r"(?P<name>.*\S)\s*,\s*(?P<unit>\S.*?)\s*"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A column's header, understood.

    Attributes
    ----------
    text
        As written.
    quantity
        Key of `QUANTITIES`.
    scale
        From its unit; None when it has none.
    unit
        As written; ``""`` without one.
    rank
        Lower is the better match.
    """

    text: str
    quantity: str
    scale: Scale | None = None
    unit: str = ""
    rank: int = 0

    @property
    def usable(self) -> bool:
        """False when something stands where the unit should be and is none."""
        return not self.unit or self.scale is not None


def fold_name(text: str) -> str:
    """Reduce a header to letters and digits; brackets around the whole of it are kept.

    The case of a single letter counts: ``k`` is a rate constant, ``K`` an equilibrium.
    """
    plain = unicodedata.normalize("NFKD", text).strip()
    letters = "".join(character for character in plain if character.isalnum())
    letters = letters if letters == plain and len(letters) == 1 else letters.casefold()
    return f"[{letters}]" if re.fullmatch(r"\[[^\[\]]*\]", plain) else letters


def parse_header(text: str) -> Header | None:
    """Return what a header means; None when it is not in the table.

    A known name with something unknown in the place of its unit is returned not `usable`.
    """
    named = _known(fold_name(text), known_unit=False)
    if named:
        return Header(text=text, quantity=named[0], rank=named[1])
    doubtful = None
    for name, unit, certain in _split_unit(text):
        folded = fold_name(name)
        for key, quantity in QUANTITIES.items():
            scale = (quantity.units or {}).get(fold_unit(unit))
            rank = _rank(key, folded, known_unit=scale is not None)
            if rank is None:
                continue
            header = Header(text=text, quantity=key, scale=scale, unit=unit, rank=rank)
            if header.usable:
                return header
            if certain and quantity.units and doubtful is None:
                doubtful = header
    return doubtful


def match_headers(texts: Sequence[str]) -> tuple[dict[str, tuple[int, Header]], dict[int, Header]]:
    """Choose a column for each quantity.

    Returns
    -------
    tuple
        Quantity -> (column, header), and column -> header of those that were not chosen: a better
        one means the same, or the unit is unknown.
    """
    understood = {
        column: header for column, text in enumerate(texts) if (header := parse_header(text))
    }
    chosen: dict[str, tuple[int, Header]] = {}
    for column, header in sorted(understood.items(), key=lambda item: (item[1].rank, item[0])):
        if header.usable:
            chosen.setdefault(header.quantity, (column, header))
    taken = {column for column, _ in chosen.values()}
    return chosen, {column: item for column, item in understood.items() if column not in taken}


def _known(folded: str, *, known_unit: bool) -> tuple[str, int] | None:
    for key in QUANTITIES:
        rank = _rank(key, folded, known_unit=known_unit)
        if rank is not None:
            return key, rank
    return None


def _rank(key: str, folded: str, *, known_unit: bool) -> int | None:
    quantity = QUANTITIES[key]
    if folded in quantity.names:
        return quantity.names.index(folded)
    if known_unit and folded in quantity.unit_names:
        return len(quantity.names)
    if known_unit and key == "concentration" and folded.startswith("["):
        return _GENERIC_RANK
    return None


def _split_unit(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (name, unit, whether the spelling says that it is a unit)."""
    for form in _UNIT_FORMS:
        match = form.fullmatch(text)
        if match:
            yield match["name"], match["unit"], True
    for gap in re.finditer(r"[\s_]+", text.strip()):
        yield text.strip()[: gap.start()], text.strip()[gap.end() :], False
