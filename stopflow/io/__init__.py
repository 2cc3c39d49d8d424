"""Instrument files and workbooks to the values of trace.py, and back.

::

    text, units         bytes to text; numbers and units as they are written
    readers             trace files of every format: one table, one module a format
    bka                 Bio-Kine files          (its docstring is the format)
    idx                 sets of labelled images
    writers, combine    recordings to files; means of repeats, blanks subtracted
    survey, sorting     what is in a folder and below it; what each file is
    pushes, channels    a folder's files to recordings; which signals are fitted
    decisions           decisions.csv: what a chemist decided about traces
    workbook            a folder's workbooks to start times, conditions, rates
    metadata            what names and headers say, checked against the workbooks
    shots               a signal, its row and what was decided to a Shot
    folder              a folder to an Experiment, with everything that did not match
    truth               the true rates of a simulated lab
    guard               the barrier around one file
    atomic, switch, moves, locks, results
                        replacing files and folders whole, together, and only one's own
    csv_files, json_files
                        tables and descriptions of our own
"""
