"""Mechanisms: typed reaction schemes, fitted to all shots of a folder at once.

scheme       text to species, steps and constants, with its mass balance
constants    what is fitted: logarithms of constants, fixed, tied or temperature-dependent
cycles       detailed balance around closed cycles
rates        mass action in arrays: rates, Jacobians and second derivatives
radau        coefficients of the Radau IIA methods
integrate    steps of such a method for many mixtures, with exact sensitivities
linear       the exact solution where the rate equations are linear
riccati      the exact solution where a single number changes
solve        concentrations and their sensitivities against time
start        what a mixture holds at mixing: forms in equilibrium, double mixing with a delay
observations shots as the fit takes them, and what the detector sees
windows      shots side by side in arrays, linear parameters projected out
checks       what a scheme needs of the shots
problem      scheme, shots and detector together: residual and Jacobian
minimise     the way down from one start
thin         fewer shots and points for the search
fit          the minimum for all shots together, without starting values
tangents     shots in the tangents of a fit, and how their pulls vary
scatter      errors of the constants, from noise or from the scatter between shots
determined   what the data do and do not say of each constant
further      which further experiment would determine an open constant
level        where the edge of a joint region of two constants is
contours     how two constants go together: once round that edge
mixtures     concentrations, windows and noise of the shots of a folder
groups       shots that differ in what the scheme does not know
known        schemes that are commonly met
contained    whether a scheme merely contains another
rank         known schemes, fitted to the same shots and compared
judge        lack of fit, and concentrations held out
results      what was found in a folder
sbml         export of a fitted scheme
bench        speed against scipy and COPASI
"""
