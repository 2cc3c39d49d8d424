"""Speed of the global fit beside scipy and COPASI.

cases    problems to fit
ways     fits here and by scipy
copasi   fits by COPASI, where it is installed
compare  all of them in turn
"""
