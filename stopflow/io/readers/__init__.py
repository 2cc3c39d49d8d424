"""Instrument files of every kind to recordings: one table, one module a format.

::

    table               READERS, the one table
    recognise, marks    which reader a content belongs to, which one it comes nearest to
    reading             reading a file
    content             a file's bytes within bounds
    numbers, blocks     how rows of numbers are written in a text; the rows, and what stands below
    headings, labels    rows of names and units above them; a time, a wavelength, a signal
    column_table, axis_matrix, recording
                        columns and matrices of numbers to recordings
    bio_kine, bio_kine_3d, pro_data_csv, pro_data_store, kinetic_studio, olis, jasco, uv_vis,
    kintek, diode_array, columns, sheets
                        a format each: its docstring is the specification

A reader is chosen by what a file contains, never by the ending of its name. To add one: a module
with `MARKS` and `parse`, and its line in `READERS`.
"""
