"""Stopped-flow kinetics: from a folder of traces to rate constants, a network and a PDF.

::

    .bka + workbooks --io--> Experiment ----- kinetics -----> rates, verdicts --store--> dataset
                                                                     |                      |
                                                       report (PDF, tables)      features --> learn
                                                                                            |
                                                                            lowrank layers -+

`stopflow.cli` parses, `stopflow.pipeline` wires the stages, everything else is a package of its
own that can be used by itself. For notebooks there are a few functions::

    import stopflow as sf

    fitted = sf.fit("shot.bka")          # one trace: rate constant, error, verdict
    table = sf.fit_many(traces)          # many traces: a pandas table
    lab = sf.analyse("folder")           # lab.shots, lab.conditions, ...: pandas tables
    sf.plot(fitted)                      # a matplotlib figure
    sf.load_model().predict(fitted)      # the network's rate constant

They are loaded when they are first used: ``import stopflow`` by itself loads no large library.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Names of the public functions and values -> the module that defines them.
_PUBLIC = {
    "analyse": "stopflow.api",
    "fit": "stopflow.api",
    "fit_many": "stopflow.api",
    "load_model": "stopflow.api",
    "plot": "stopflow.api",
    "read": "stopflow.api",
    "Experiment": "stopflow.trace",
    "Shot": "stopflow.trace",
    "Trace": "stopflow.trace",
    "StopflowError": "stopflow.errors",
}
_PACKAGES = ("kinetics", "lowrank")


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _PACKAGES:
        return import_module(f"stopflow.{name}")
    raise AttributeError(
        f"module 'stopflow' has no attribute {name!r}; it has {', '.join(_PUBLIC)}"
    )


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, *_PACKAGES])
