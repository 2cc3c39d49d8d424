"""A simulated stopped-flow lab with known truth.

::

    instrument   the physics of one shot, with its formulas
    chemistry    reactions, rate laws, concentration series
    plan         how a lab sets an experiment up
    lab          its shots, with the truth behind them
    writer       folders, workbooks and truth.csv
"""

from stopflow.simulate.instrument import Instrument, SimulatedPush, simulate_shot
from stopflow.simulate.lab import simulate_lab
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import WrittenLab, write_lab

__all__ = [
    "Instrument",
    "LabSpec",
    "SimulatedPush",
    "WrittenLab",
    "simulate_lab",
    "simulate_shot",
    "write_lab",
]
