"""A folder of shots of a known mechanism: trace files and a workbook, as a lab would leave them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from openpyxl import Workbook
from simulated_shots import integrate

from stopflow.io.bka.format import write_bka
from stopflow.mechanism.scheme import parse_scheme

TIME = np.linspace(0.0, 0.4, 201)


def write_folder(
    folder: Path,
    text: str,
    mixtures: Sequence[tuple[Mapping[str, float], Mapping[str, float], Mapping[str, object]]],
    *,
    observed: Mapping[str, float],
    rng: np.random.Generator,
    noise: float = 0.002,
    shots: int = 2,
) -> Path:
    """Write `shots` files a mixture: (start in M, constants, cells of the workbook)."""
    folder.mkdir(parents=True)
    scheme = parse_scheme(text)
    book = Workbook()
    sheet = book.active
    columns = list(dict.fromkeys(name for _, _, cells in mixtures for name in cells))
    sheet.append(["File", *columns])
    for number, (start, constants, cells) in enumerate(mixtures):
        c = integrate(scheme, constants, start, TIME)
        clean = sum(r * c[:, scheme.species.index(name)] for name, r in observed.items())
        for shot in range(shots):
            name = f"m{number}_{shot}.bka"
            signal = 1.0 + clean + noise * rng.standard_normal(len(TIME))
            write_bka(folder / name, time=1e3 * TIME, signals=signal)
            sheet.append([name, *(cells.get(column, "") for column in columns)])
    book.save(folder / "shots.xlsx")
    return folder
