"""The rate laws: what each is, the table of all, and those that a user writes down."""

from stopflow.kinetics.laws.exponentials import sum_of_exponentials
from stopflow.kinetics.laws.expression import looks_like_expression
from stopflow.kinetics.laws.rate_law import (
    Basis,
    Proportional,
    RateLaw,
    RealArray,
    ShapeRange,
    ThetaJacobian,
    baseline_rows,
)
from stopflow.kinetics.laws.table import (
    AUTO,
    CANDIDATES,
    COLUMNS,
    COMPARED,
    DEFAULT,
    LAWS,
    ParameterColumn,
    describe_laws,
    error_columns,
    find_law,
    parameter_column,
)

__all__ = [
    "AUTO",
    "CANDIDATES",
    "COLUMNS",
    "COMPARED",
    "DEFAULT",
    "LAWS",
    "Basis",
    "ParameterColumn",
    "Proportional",
    "RateLaw",
    "RealArray",
    "ShapeRange",
    "ThetaJacobian",
    "baseline_rows",
    "describe_laws",
    "error_columns",
    "find_law",
    "looks_like_expression",
    "parameter_column",
    "sum_of_exponentials",
]
