"""A fitted scheme as SBML level 3, for COPASI and whatever else reads it.

Written with python-libsbml (the extra ``sbml``), which checks it: Bornstein et al., Bioinformatics
24, 880 (2008), 10.1093/bioinformatics/btn051. Concentrations are in mol/L, times in s. The model
starts as the first mixture does; the others differ in their initial concentrations alone. The
signal, without its offset, is a parameter with an assignment rule.
"""

import re
from importlib.util import find_spec
from typing import Any

import numpy as np

from stopflow.errors import StopflowError
from stopflow.mechanism.fit import GlobalFit

LEVEL, VERSION = 3, 1
_ID = re.compile(r"\W")


def require_libsbml() -> None:
    """Refuse where the extra is not installed.

    Raises
    ------
    StopflowError
        Says how to install it.
    """
    if find_spec("libsbml") is None:
        raise StopflowError(
            'SBML is written with python-libsbml; install it with pip install "stopflow[sbml]"'
        )


def write_sbml(fit: GlobalFit) -> str:
    """Write a fitted scheme as SBML text.

    Parameters
    ----------
    fit
        That has numbers.

    Raises
    ------
    StopflowError
        libsbml is not installed, or finds the document inconsistent.
    """
    require_libsbml()
    import libsbml

    problem = fit.problem
    document = libsbml.SBMLDocument(LEVEL, VERSION)
    model = document.createModel()
    model.setId("mechanism")
    model.setName(problem.scheme.text)
    _add_units(model, libsbml)
    theta = np.asarray(fit.best.theta)
    log_k, _ = problem.constants.log_k(theta, problem.kelvin)
    start = problem.find_starts(theta)[0]
    compartment = model.createCompartment()
    compartment.setId("cell")
    compartment.setConstant(True)
    compartment.setSpatialDimensions(3)
    compartment.setSize(1.0)
    for name, amount in zip(problem.scheme.species, start, strict=True):
        _add_species(model, name, float(amount))
    ids = {name: _identify("k", name) for name in problem.scheme.constants}
    for name, value in zip(problem.scheme.constants, np.exp(log_k[0]), strict=True):
        _add_parameter(model, ids[name], name, float(value), problem.scheme.units[name])
    for number, step in enumerate(problem.scheme.steps):
        _add_reaction(model, libsbml, number, step, ids[step.constant])
    _add_signal(model, libsbml, fit)
    document.checkConsistency()
    if document.getNumErrors(libsbml.LIBSBML_SEV_ERROR):
        raise StopflowError(f"the SBML is not consistent: {document.getError(0).getMessage()}")
    return str(libsbml.writeSBMLToString(document))


def _identify(before: str, name: str) -> str:
    """Make an SBML identifier of a name; signs become what they say."""
    spoken = name.replace("-", "minus").replace("'", "prime").replace("*", "star")
    return f"{before}_{_ID.sub('_', spoken)}"


def _add_units(model: Any, libsbml: Any) -> None:
    model.setTimeUnits("second")
    model.setExtentUnits("mole")
    model.setSubstanceUnits("mole")
    model.setVolumeUnits("litre")
    for name, litres in (("per_s", 0), ("per_M_s", 1)):
        units = model.createUnitDefinition()
        units.setId(name)
        parts = [(libsbml.UNIT_KIND_SECOND, -1)]
        parts += [(libsbml.UNIT_KIND_LITRE, 1), (libsbml.UNIT_KIND_MOLE, -1)] if litres else []
        for kind, exponent in parts:
            unit = units.createUnit()
            unit.setKind(kind)
            unit.setExponent(exponent)
            unit.setScale(0)
            unit.setMultiplier(1.0)


def _add_species(model: Any, name: str, amount: float) -> None:
    species = model.createSpecies()
    species.setId(_identify("s", name))
    species.setName(name)
    species.setCompartment("cell")
    species.setInitialConcentration(amount)
    species.setSubstanceUnits("mole")
    species.setHasOnlySubstanceUnits(False)
    species.setBoundaryCondition(False)
    species.setConstant(False)


def _add_parameter(model: Any, own: str, name: str, value: float, unit: str) -> None:
    parameter = model.createParameter()
    parameter.setId(own)
    parameter.setName(name)
    parameter.setValue(value)
    parameter.setUnits("per_s" if unit == "s^-1" else "per_M_s")
    parameter.setConstant(True)


def _add_reaction(model: Any, libsbml: Any, number: int, step: Any, constant: str) -> None:
    reaction = model.createReaction()
    reaction.setId(f"r{number + 1}")
    reaction.setName(str(step))
    reaction.setReversible(False)
    reaction.setFast(False)
    factors = [constant]
    sides = ((step.reactants, reaction.createReactant), (step.products, reaction.createProduct))
    for side, create in sides:
        for name, count in side.items():
            reference = create()
            reference.setSpecies(_identify("s", name))
            reference.setStoichiometry(float(count))
            reference.setConstant(True)
    for name, count in step.reactants.items():
        factors += [_identify("s", name)] * count
    law = reaction.createKineticLaw()
    law.setMath(libsbml.parseL3Formula(" * ".join(["cell", *factors])))


def _add_signal(model: Any, libsbml: Any, fit: GlobalFit) -> None:
    """Add the signal as the first group of shots sees it, without an offset."""
    parameter = model.createParameter()
    parameter.setId("signal")
    parameter.setConstant(False)
    terms = []
    for name, response in zip(fit.problem.observed, fit.point.responses[0], strict=True):
        own = _identify("response", name)
        coefficient = model.createParameter()
        coefficient.setId(own)
        coefficient.setName(f"response of {name}")
        coefficient.setValue(float(response))
        coefficient.setConstant(True)
        terms.append(f"{own} * {_identify('s', name)}")
    rule = model.createAssignmentRule()
    rule.setVariable("signal")
    rule.setMath(libsbml.parseL3Formula(" + ".join(terms)))
