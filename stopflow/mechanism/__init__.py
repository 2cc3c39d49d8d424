"""Mechanisms: typed reaction schemes, fitted to all shots of a folder at once.

scheme     text to species, steps and constants, with its mass balance
constants  what is fitted: logarithms of constants, fixed, tied or temperature-dependent
cycles     detailed balance around closed cycles
rates      mass action in arrays: rates, Jacobians and second derivatives
solve      concentrations and their sensitivities against time, for many mixtures at once
problem    shots, mixtures and what the detector sees, linear parameters projected out
fit        the minimum for all shots together, without starting values
determined what the data do and do not say of each constant
contours   how two constants go together
mixtures   concentrations, windows and noise of the shots of a folder
groups     shots that differ in what the scheme does not know
rank       known schemes, fitted to the same shots and compared
bench      speed against scipy and COPASI
"""
