"""Stopped-flow kinetics: from a folder of traces to rate constants, a network and a PDF.

::

    .bka + workbooks --io--> Experiment --trimming, kinetics--> rates, verdicts --store--> dataset
                                                                     |                      |
                                                       report (PDF, tables)      features --> learn
                                                                                            |
                                                                            lowrank layers -+

`stopflow.cli` parses, `stopflow.pipeline` wires the stages, everything else is a room of its own.
"""

__version__ = "0.1.0"
