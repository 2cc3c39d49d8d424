"""Instrument files and workbooks to the values of trace.py, and back.

::

    text, units         bytes to text, numbers and units as people write them
    bka                 one trace file          (its docstring is the format)
    sheets, formula     a workbook to a grid of cells
    columns, headers    what a column can hold; a header to what it means
    names, layout       which cells are file names; where tables and their headers are
    rows, tables        rows of files to values; what else stands among them
    conditions, statements, concentrations, remarks
                        values beside a table; which column is meant; what is said of it
    workbook            a folder's workbooks to start times, conditions, rates
    folder              a folder to an Experiment, with everything that did not match
    atomic              replacing a file or a folder whole
"""
