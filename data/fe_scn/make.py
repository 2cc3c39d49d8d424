"""Make the five experiment folders beside this script from chempy's `specdata.json.bz2`.

::

    python data/fe_scn/make.py specdata.json.bz2

The same source gives the same bytes. README.md says where the source is and what the numbers mean.
"""

import argparse
import bz2
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from stopflow.io.bka.format import write_bka
from stopflow.io.workbook.writer import write_workbooks
from stopflow.trace import Conditions, Shot

SALT_ADDED = {"a": 0, "b": 20, "c": 40, "d": 60}
"""Key of the source -> mmol/kg of salt added."""

CHARGED_mM = {
    "K+": (1.5, 1),
    "SCN-": (1.5, -1),
    "Na+": (16.5, 1),
    "H+": (50.0, 1),
    "Fe3+": (3.0, 3),
    "ClO4-": (75.5, -1),
}
"""Ion -> concentration after 1:1 mixing in mM, charge."""

ABSORBANCE_STEP = 1e-4


def ionic_strength_M(salt: int) -> float:
    """Return the nominal ionic strength: I = 1/2 sum c z^2, and the salt added to it."""
    return (sum(c * z**2 for c, z in CHARGED_mM.values()) / 2 + salt) * 1e-3


def describe(key: str, celsius: str, replicate: str) -> Shot:
    """Return what the source says of one trace; the rest stays empty."""
    salt = SALT_ADDED[key]
    return Shot(
        experiment=f"{celsius}C",
        file=f"salt{salt:02d}_{replicate}.bka",
        trace=None,
        conditions=Conditions(
            substrate="Fe3+",
            concentration_M=CHARGED_mM["Fe3+"][0] * 1e-3,
            temperature_K=float(celsius) + 273.15,
            ionic_strength_M=ionic_strength_M(salt),
            replicate=int(replicate),
            extra={
                "SCN- after mixing (mM)": str(CHARGED_mM["SCN-"][0]),
                "Salt added (mmol/kg)": str(salt),
                "Key in the source": key,
            },
        ),
    )


def make(source: Path, target: Path) -> None:
    """Write a folder a temperature below `target`."""
    folders = defaultdict(list)
    for (key, celsius, replicate), rows in json.loads(bz2.decompress(source.read_bytes())):
        shot = describe(key, celsius, replicate)
        time_ms, steps = np.array(rows, dtype=np.float64).T
        write_bka(
            target / shot.experiment / shot.file,
            time=time_ms,
            signals=steps * ABSORBANCE_STEP,
            signal_units=("AU",),
            comments=(
                "Fe3+ + SCN- -> FeSCN2+, absorbance, stopped flow, mixed 1:1",
                f"{celsius} C, {SALT_ADDED[key]} mmol/kg salt added, replicate {replicate}",
                "chempy (Bjorn Dahlgren, BSD-2), examples/specdata.json.bz2",
            ),
        )
        folders[shot.experiment].append(shot)
    for folder, shots in folders.items():
        shots.sort(key=lambda shot: shot.file)
        write_workbooks(
            target / folder, shots, concentration_header="Concentration after mixing (mM)"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="specdata.json.bz2 of chempy")
    make(parser.parse_args().source, Path(__file__).parent)
