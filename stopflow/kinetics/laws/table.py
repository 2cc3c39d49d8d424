"""The rate laws: one entry each, and nothing about a law anywhere else.

To add a law, write its basis and its derivative, give it an entry in `LAWS`, and name in `COLUMNS`
every parameter that no other law has. Settings, help, comparison, verdicts, tables, methods
paragraph and figures read these two tables.
"""

from dataclasses import dataclass

from stopflow.errors import SettingsError
from stopflow.kinetics.laws import exponentials, half_life, second_order
from stopflow.kinetics.laws.exponentials import sum_of_exponentials
from stopflow.kinetics.laws.expression import expression_law, looks_like_expression
from stopflow.kinetics.laws.rate_law import RateLaw, ShapeRange

AUTO = "auto"
DEFAULT = "single-slope"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterColumn:
    """How a parameter stands in tables: title in the terminal, meaning, and unit.

    The unit is ``"1/s"``, ``"signal"``, ``"signal/s"`` or empty.
    """

    title: str
    meaning: str
    unit: str


COLUMNS: dict[str, ParameterColumn] = {
    "k_per_s": ParameterColumn(
        title="rate constant k", meaning="observed rate constant, the fastest phase's", unit="1/s"
    ),
    "k2_per_s": ParameterColumn(
        title="second rate k2", meaning="rate constant of the second fastest phase", unit="1/s"
    ),
    "k3_per_s": ParameterColumn(
        title="third rate k3", meaning="rate constant of the third fastest phase", unit="1/s"
    ),
    "amplitude": ParameterColumn(
        title="amplitude at the start",
        meaning="amplitude at the start of the fit, of the phase of k",
        unit="signal",
    ),
    "amplitude2": ParameterColumn(
        title="second amplitude", meaning="amplitude of the phase of k2", unit="signal"
    ),
    "amplitude3": ParameterColumn(
        title="third amplitude", meaning="amplitude of the phase of k3", unit="signal"
    ),
    "slope_per_s": ParameterColumn(
        title="slope", meaning="slope of the line under the reaction", unit="signal/s"
    ),
    "intercept": ParameterColumn(
        title="intercept", meaning="line under the reaction, at the start of the fit", unit="signal"
    ),
    "beta": ParameterColumn(
        title="stretching exponent", meaning="exponent of a stretched exponential", unit=""
    ),
    "ratio": ParameterColumn(
        title="concentration ratio",
        meaning="concentration of the limiting reactant over that of the other, at the start",
        unit="",
    ),
}

TWO_PHASES = f"two phases: use --law double or {AUTO}"

LAWS: dict[str, RateLaw] = {
    "single": sum_of_exponentials(
        1,
        key="single",
        half_life=half_life.first_order,
        column="single",
        heading="Single",
        title="a single exponential",
        use="A first-order or pseudo-first-order reaction whose signal is constant at its end.",
        source="first order; Espenson, Chemical Kinetics and Reaction Mechanisms, 2nd ed., ch. 2",
        rivals=("single-slope", "double", "stretched", "second-order", "lag"),
        remedy=f"one phase without a slope: use --law single or {AUTO}",
    ),
    "single-slope": sum_of_exponentials(
        1,
        slope=True,
        key="single-slope",
        half_life=half_life.first_order,
        column="slope",
        heading="With slope",
        title="a single exponential with slope",
        use="The same, where the signal drifts or a much slower step follows.",
        source="burst and steady rate; Hartley and Kilby, Biochem. J. 56, 288 (1954),"
        " 10.1042/bj0560288",
        rivals=("single", "double", "stretched", "second-order", "lag"),
        special=("single",),
        remedy=f"a sloping baseline: use --law single-slope or {AUTO}",
    ),
    "double": sum_of_exponentials(
        2,
        key="double",
        column="double",
        heading="Double",
        title="a double exponential",
        use="Two phases that differ in rate by a factor of about three or more.",
        source="two consecutive or parallel first-order steps; Espenson, ch. 4",
        rivals=(
            "single",
            "single-slope",
            "stretched",
            "second-order",
            "second-order-unequal",
            "lag",
            "double-slope",
        ),
        special=("single", "single-slope", "lag"),
        remedy=TWO_PHASES,
    ),
    "double-slope": sum_of_exponentials(
        2,
        slope=True,
        key="double-slope",
        title="a double exponential with slope",
        use="Two phases on a signal that drifts or changes further.",
        source="two consecutive or parallel first-order steps; Espenson, ch. 4",
        rivals=(
            "single-slope",
            "double",
            "triple",
            "stretched",
            "second-order",
            "second-order-unequal",
            "lag",
        ),
        remedy="two phases on a sloping baseline: use --law double-slope",
    ),
    "triple": sum_of_exponentials(
        3,
        key="triple",
        title="a triple exponential",
        use="Three phases; needs a long window, little noise, and rates far apart.",
        source="three first-order steps; Espenson, ch. 4",
        rivals=(
            "double",
            "double-slope",
            "stretched",
            "second-order",
            "second-order-unequal",
            "lag",
        ),
        remedy="three phases: use --law triple",
    ),
    "stretched": RateLaw(
        key="stretched",
        title="a stretched exponential",
        use="A continuous distribution of rates, as in glasses, gels and proteins.",
        formula="y = c exp(-(k t)^beta) + b",
        equation="y = b + c exp{−[k(t − t₀)]^β}",
        source="Williams and Watts, Trans. Faraday Soc. 66, 80 (1970), 10.1039/TF9706600080",
        nonlinear=("k_per_s", "beta"),
        linear=("amplitude", "intercept"),
        shapes={
            "beta": ShapeRange(
                low=0.08,
                high=4.0,
                starts=(0.15, 0.2, 0.27, 0.35, 0.45, 0.6, 0.8, 1.0, 1.25, 1.6, 2.0),
            )
        },
        rivals=(
            "single",
            "single-slope",
            "double",
            "second-order",
            "second-order-unequal",
            "lag",
        ),
        special=("single",),
        remedy=f"a distribution of rates: use --law stretched or {AUTO}",
        half_life=half_life.stretched,
        basis=exponentials.stretched_basis,
        theta_jacobian=exponentials.stretched_jacobian,
    ),
    "second-order": RateLaw(
        key="second-order",
        title="a second-order reaction of equal concentrations",
        use="A + B in equal concentrations, or 2 A; k is the second-order constant times [A]0.",
        formula="y = c / (1 + k t) + b",
        equation="y = b + c/[1 + k(t − t₀)]",
        source="Espenson, Chemical Kinetics and Reaction Mechanisms, 2nd ed., ch. 2",
        nonlinear=("k_per_s",),
        linear=("amplitude", "intercept"),
        rivals=("single", "single-slope", "double", "stretched", "lag"),
        remedy="second order, not pseudo-first order: use --law second-order, second-order-unequal "
        f"or {AUTO}",
        pseudo_first_order=False,
        half_life=half_life.second_order,
        basis=second_order.equal_basis,
        theta_jacobian=second_order.equal_jacobian,
    ),
    "second-order-unequal": RateLaw(
        key="second-order-unequal",
        title="a second-order reaction of unequal concentrations",
        use="A + B without a large excess; k is the second-order constant times the larger "
        "concentration, and `ratio` the smaller over the larger, which is best fixed.",
        formula="y = c (1 - r) / (exp((1 - r) k t) - r) + b",
        equation="y = b + c(1 − r)/{exp[(1 − r)k(t − t₀)] − r}",
        source="Espenson, Chemical Kinetics and Reaction Mechanisms, 2nd ed., ch. 2",
        nonlinear=("k_per_s", "ratio"),
        linear=("amplitude", "intercept"),
        shapes={
            "ratio": ShapeRange(
                low=0.01,
                high=1.0,
                starts=(0.05, 0.2, 0.4, 0.6, 0.8, 0.95),
                below="one reactant is in excess: use --law single",
                above="the concentrations are equal: use --law second-order",
            ),
        },
        rivals=("single", "single-slope", "second-order", "double", "stretched"),
        special=("single", "second-order"),
        remedy="second order with unequal concentrations: use --law second-order-unequal or "
        f"{AUTO}",
        pseudo_first_order=False,
        half_life=half_life.second_order_unequal,
        basis=second_order.unequal_basis,
        theta_jacobian=second_order.unequal_jacobian,
    ),
    "lag": RateLaw(
        key="lag",
        title="two consecutive first-order steps",
        use="Two first-order steps in a row of which only the product of the second is seen.",
        formula="y = c (k1 exp(-k2 t) - k2 exp(-k1 t)) / (k1 - k2) + b",
        equation="y = b + c{k₁ exp[−k₂(t − t₀)] − k₂ exp[−k₁(t − t₀)]}/(k₁ − k₂)",
        source="Espenson, Chemical Kinetics and Reaction Mechanisms, 2nd ed., ch. 4",
        nonlinear=("k_per_s", "k2_per_s"),
        linear=("amplitude", "intercept"),
        exchangeable=2,
        rivals=("single", "single-slope", "double", "stretched"),
        special=("single",),
        remedy=f"a lag before the change: use --law lag or {AUTO}",
        basis=second_order.lag_basis,
        theta_jacobian=second_order.lag_jacobian,
    ),
    "burst": RateLaw(
        key="burst",
        title="a burst with a steady rate",
        use="A fast turnover before a steady rate: the single exponential with slope, written with "
        "the signal at the start and the size of the burst.",
        formula="y = c (1 - exp(-k t)) + a t + b",
        equation="y = b + a(t − t₀) + c{1 − exp[−k(t − t₀)]}",
        source="Hartley and Kilby, Biochem. J. 56, 288 (1954), 10.1042/bj0560288",
        nonlinear=("k_per_s",),
        linear=("amplitude", "slope_per_s", "intercept"),
        rivals=("single", "double", "double-slope", "stretched"),
        remedy="a burst before a steady rate: use --law burst",
        memoryless=True,
        half_life=half_life.first_order,
        basis=exponentials.burst_basis,
        theta_jacobian=exponentials.burst_jacobian,
    ),
}

# What `auto` chooses from.
CANDIDATES = (
    "single",
    "single-slope",
    "double",
    "stretched",
    "second-order",
    "second-order-unequal",
    "lag",
)
# Laws whose k and AICc stand in columns of their own beside those of the law reported.
COMPARED = tuple((key, law) for key, law in LAWS.items() if law.column)


def find_law(law: str | RateLaw) -> RateLaw:
    """Look a law up by its key, or read it from an expression such as ``a*exp(-k*t) + b``.

    Raises
    ------
    SettingsError
        Unknown key, which lists the valid ones; an expression that cannot be read.
    """
    if isinstance(law, RateLaw):
        return law
    if law in LAWS:
        return LAWS[law]
    if looks_like_expression(law):
        return expression_law(law)
    raise SettingsError(
        "law", law, valid=[*LAWS, "or an expression in t such as 'a*exp(-k*t) + b'"]
    )


def parameter_column(name: str) -> str:
    """Column of a parameter; those that only a user's formula has cannot take ours."""
    return name if name in COLUMNS else f"fit_{name}"


def error_columns(column: str) -> tuple[str, str, str]:
    """Columns of the standard error and of the ends of the 95 % interval beside a column.

    ``k_per_s`` has ``k_stderr_per_s``, ``k_low95_per_s`` and ``k_high95_per_s``.
    """
    stem, unit = column, ""
    if column.endswith("_per_s"):
        stem, unit = column.removesuffix("_per_s"), "_per_s"
    return f"{stem}_stderr{unit}", f"{stem}_low95{unit}", f"{stem}_high95{unit}"


def describe_laws() -> list[tuple[str, str, str]]:
    """Key, formula and use of every law, for the list that ``stopflow laws`` prints."""
    return [(key, law.formula, law.use) for key, law in LAWS.items()]
