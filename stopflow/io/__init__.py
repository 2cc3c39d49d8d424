"""Instrument files and workbooks to the values of trace.py, and back.

::

    text, units      bytes to text, numbers and units as people write them
    bka              one trace file          (its docstring is the format)
    sheets, formula  a workbook to a grid of cells
    columns          a header to what it means
    workbook         a folder's workbooks to start times, conditions, rates
    folder           a folder to an Experiment, with everything that did not match
    atomic           replacing a file or a folder whole
"""
