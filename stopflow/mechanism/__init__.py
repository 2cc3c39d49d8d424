"""Mechanisms: typed reaction schemes, fitted to all shots of a folder at once.

scheme     text to species, steps and constants, with its mass balance
constants  what is fitted: logarithms of constants, fixed, tied or temperature-dependent
rates      mass action in arrays: rates, Jacobians and second derivatives
solve      concentrations and their sensitivities against time, for many mixtures at once
fit        all shots together: response, offset and drift projected out
determined what the data do and do not say of each constant
"""
