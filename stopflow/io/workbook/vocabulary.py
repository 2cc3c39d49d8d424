"""What a column of a workbook can hold: a table of quantities, their names and units.

Names stand here as `headers.fold_name` leaves them: case, blanks, punctuation and accents do not
count.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stopflow.io.units import CONCENTRATION, RATE, TEMPERATURE, TIME, Scale


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
        Folded headers that count only with a unit of this quantity behind them.
    weak_names
        Folded headers that count only where the values below say so, too.
    units
        Units it can have; empty for texts and counts.
    usual
        Its units as one would write them, for messages.
    assumed
        Unit where neither header nor cell says one; ``""``: decided by who uses the value.
    """

    meaning: str
    names: tuple[str, ...]
    unit_names: tuple[str, ...] = ()
    weak_names: tuple[str, ...] = ()
    units: Mapping[str, Scale] | None = None
    usual: str = "none"
    assumed: str = ""

    @property
    def noun(self) -> str:
        """Its meaning without an article, to stand behind one."""
        return self.meaning.removeprefix("the ")


_MOLAR = "M, mM, µM, nM, mol/L, mol dm-3"

QUANTITIES: dict[str, Quantity] = {
    "file": Quantity(
        meaning="file name",
        names=tuple(
            "filename filenames file files bkafile bka bkaname bkafilename datafile datafilename "
            "tracefile kineticfile dateiname dateinamen datei dateien messdatei nomdufichier "
            "nomdefichier nomfichier fichier fichiers name trace tracename".split()
        ),
        weak_names=tuple(
            "sample samplename sampleno sampleid run runname runno shot shots shotname shotno "
            "shotnumber measurement measurementno kinetic kinetics probe probenname messung "
            "messungnr schuss schussnr echantillon nomdelechantillon mesure tir essai".split()
        ),
    ),
    "start": Quantity(
        meaning="start time",
        names=tuple(
            "xstart start starttime tstart xstarttime startx startvalue startvalues startwert "
            "startzeit fitstart fitfrom cutoff cut debut tempsdedebut".split()
        ),
        units=TIME,
        usual="s, ms, µs",
    ),
    "rate": Quantity(
        meaning="the lab's own rate constant",
        names=tuple(
            "rate kobs kobserved kobsd observedrate observedrateconstant rateconstant "
            "ratevalue k kapp geschwindigkeitskonstante vitesse constantedevitesse rateconst "
            "pseudofirstorderrateconstant firstorderrateconstant observedrateconst kbeob kexp "
            "kfit kobs1 k1 rate1 k1obs rateconstant1".split()
        ),
        units=RATE,
        usual="s-1, 1/s, min-1, ms-1",
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
            "[s] [substrate] concentration conc substrateconcentration "
            "substrateconc concentrationofsubstrate sconc konzentration konz "
            "[ligand] [l] ligandconcentration concn concentrations [substrat] "
            "substratkonzentration endkonzentration endkonz stoffmengenkonzentration "
            "concentrationensubstrat concentrationdusubstrat ligandconc".split()
        ),
        unit_names=tuple(
            "S C c substrate ligand substrat inhibitor compound reactant analyte "
            "molarity titrant".split()
        ),
        units=CONCENTRATION,
        usual=_MOLAR,
        assumed="M",
    ),
    "temperature": Quantity(
        meaning="temperature",
        names=tuple("temperature temp temperatur temperatura".split()),
        unit_names=("T", "t", "θ"),
        units=TEMPERATURE,
        usual="°C, K, °F",
    ),
    "ionic_strength": Quantity(
        meaning="ionic strength",
        names=tuple("ionicstrength ionstrength ionenstarke forceionique".split()),
        unit_names=("I", "μ"),
        units=CONCENTRATION,
        usual=_MOLAR,
        assumed="M",
    ),
    "replicate": Quantity(
        meaning="replicate number",
        names=tuple(
            "replicate rep replicateno replicatenumber repeat repetition run shot shotno "
            "wiederholung replicat repeatno".split()
        ),
    ),
    "channel": Quantity(
        meaning="signal channel", names=tuple("channel channelno chan ch kanal".split())
    ),
    "dead_time": Quantity(
        meaning="dead time of the instrument",
        names=tuple("deadtime totzeit tempsmort".split()),
        units=TIME,
        usual="s, ms, µs",
        assumed="ms",
    ),
}
"""Key -> quantity. Other concentrations, such as ``[X]``, are known by form (headers.py)."""
