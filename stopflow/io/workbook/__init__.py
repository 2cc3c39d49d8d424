"""Excel, ODS and CSV workbooks: start times, conditions and the lab's own rates.

::

    grid                    a file of any format to sheets of cells
      text_table            CSV and TSV
      reader_process, reader_loop, formats, xlsx, formula
                            every other format, read in a process that can be ended
    decimal_signs           whether a comma is the decimal sign
    vocabulary, headers     what a column can hold; what a header means
    names, layout           which cells are file names; where tables and their headers are
    values, rows, tables    cells, rows and tables to values in our units
    column_units, concentrations, remarks
                            one unit for a column; which column has the concentrations; what is
                            said of the columns
    conditions, statements, condition_sheets
                            values that are written beside a table or on a sheet of their own
    findings                what could not be used, one problem for each kind
    book, workbook          one workbook; all workbooks of a folder
    writer, file            the two usual workbooks, written
"""
