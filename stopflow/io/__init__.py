"""Instrument files and workbooks to the values of trace.py, and back.

::

    text                bytes to text
    readers             trace files of every format: one table, one module a format
    bka                 Bio-Kine files          (its docstring is the format)
    writers, combine    recordings to files; means of repeats, blanks subtracted
    survey, sorting     what is in a folder and below it; what each file is
    pushes, channels    a folder's files to recordings; which signals are fitted
    decisions           decisions.csv: what a chemist decided about traces
    metadata            what names and headers say, checked against the workbooks
    sheets, formula     a workbook to a grid of cells
    columns, headers    what a column can hold; a header to what it means
    names, layout       which cells are file names; where tables and their headers are
    rows, tables        rows of files to values; what else stands among them
    conditions, statements, concentrations, remarks
                        values beside a table; which column is meant; what is said of it
    workbook            a folder's workbooks to start times, conditions, rates
    shots               a signal, its row and what was decided to a Shot
    folder              a folder to an Experiment, with everything that did not match
    atomic              replacing a file or a folder whole
"""
