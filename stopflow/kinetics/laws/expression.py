"""Rate laws that a user writes down, such as ``a*exp(-k*t) + b/(1 + c*t)``.

Python's own parser turns the text into a syntax tree, of which only numbers, names, arithmetic and
a list of functions of one argument are accepted; nothing of it is ever executed as code. Values and
derivatives come from the tree by dual numbers (forward differentiation), so they are exact.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stopflow.errors import SettingsError
from stopflow.kinetics.laws.rate_law import RateLaw, RealArray

TIME_NAME = "t"
LONGEST_TEXT = 500
MOST_PARAMETERS = 20
LARGEST_CONSTANT = 1e300
# What a user may call our rates.
RATE_NAMES = {"k": "k_per_s", "k1": "k_per_s", "k2": "k2_per_s", "k3": "k3_per_s"}
CONSTANTS = {"pi": np.pi, "e": np.e}

Function = Callable[[RealArray], RealArray]


def _special(name: str) -> Function:
    """Return a function of `scipy.special`, which is loaded when a formula first needs it."""

    def function(values: RealArray) -> RealArray:
        from scipy import special

        found: RealArray = getattr(special, name)(values)
        return found

    return function


# Function -> (value, derivative from argument and value).
FUNCTIONS: dict[str, tuple[Function, Callable[[RealArray, RealArray], RealArray]]] = {
    "exp": (np.exp, lambda _x, y: y),
    "log": (np.log, lambda x, _y: 1 / x),
    "ln": (np.log, lambda x, _y: 1 / x),
    "log10": (np.log10, lambda x, _y: 1 / (x * np.log(10))),
    "sqrt": (np.sqrt, lambda _x, y: 0.5 / y),
    "sin": (np.sin, lambda x, _y: np.cos(x)),
    "cos": (np.cos, lambda x, _y: -np.sin(x)),
    "tan": (np.tan, lambda _x, y: 1 + y * y),
    "sinh": (np.sinh, lambda x, _y: np.cosh(x)),
    "cosh": (np.cosh, lambda x, _y: np.sinh(x)),
    "tanh": (np.tanh, lambda _x, y: 1 - y * y),
    "arctan": (np.arctan, lambda x, _y: 1 / (1 + x * x)),
    "erf": (_special("erf"), lambda x, _y: 2 / np.sqrt(np.pi) * np.exp(-x * x)),
    "erfc": (_special("erfc"), lambda x, _y: -2 / np.sqrt(np.pi) * np.exp(-x * x)),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Dual:
    """A value (N,) with its derivatives (p, N) by the parameters; None where they are all 0."""

    value: RealArray
    slopes: RealArray | None


def looks_like_expression(text: str) -> bool:
    """Whether `text` is meant as a formula: it holds more than a name with hyphens."""
    return re.search(r"[*/+()^=.]", text) is not None


@lru_cache(maxsize=64)
def expression_law(text: str) -> RateLaw:
    """Build a rate law from a formula in the time ``t``, in seconds since the start.

    Parameters
    ----------
    text
        E.g. ``"a*exp(-k*t) + b"`` or ``"y = a*exp(-k*t) + b"``. Every other name is a parameter;
        ``k``, ``k1``, ``k2``, ``k3`` are rates and come out as ``k_per_s``, ``k2_per_s`` and so on.

    Raises
    ------
    SettingsError
        Says which part of the text is not a formula, and what is allowed.
    """
    tree = _parse(text)
    found = sorted(
        (node for node in ast.walk(tree) if isinstance(node, ast.Name)),
        key=lambda node: node.col_offset,
    )
    taken = {TIME_NAME, *CONSTANTS, *FUNCTIONS}
    written = list(dict.fromkeys(node.id for node in found if node.id not in taken))
    if TIME_NAME not in {node.id for node in found}:
        raise _refusal(text, f"the time {TIME_NAME} does not occur in it")
    if not 1 <= len(written) <= MOST_PARAMETERS:
        raise _refusal(text, f"it has {len(written)} parameters, not 1 to {MOST_PARAMETERS}")
    names = {name: RATE_NAMES.get(name, name) for name in written}
    if len(set(names.values())) < len(names):
        raise _refusal(text, "k and k1 are two names of the same rate")
    linear: list[str] = []
    for name in written:
        if name not in RATE_NAMES and _is_affine(tree, frozenset((*linear, name))):
            linear.append(name)
    nonlinear = [name for name in written if name not in linear]
    order = {name: place for place, name in enumerate((*nonlinear, *linear))}
    count = len(nonlinear)

    def dual(time: RealArray, theta: RealArray, coefficients: RealArray) -> _Dual:
        values = dict(zip(order, (*theta, *coefficients), strict=True))
        with np.errstate(all="ignore"):
            at = _evaluate(tree, time, values, order)
            slopes = np.zeros((len(order), *time.shape), dtype=np.result_type(time, float))
            if at.slopes is not None:
                slopes += at.slopes
            return _Dual(at.value + np.zeros_like(slopes[0]), slopes)

    def at_zero(time: RealArray, theta: RealArray) -> _Dual:
        return dual(time, theta, np.zeros(len(linear)))

    def each(part: Callable[[RealArray], RealArray], theta: RealArray) -> RealArray:
        if theta.ndim == 1:
            return part(theta)
        flat = theta.reshape(-1, theta.shape[-1])
        rows = np.array([part(row) for row in flat])
        return rows.reshape(*theta.shape[:-1], *rows.shape[1:])

    def basis(time: RealArray, theta: RealArray) -> RealArray:
        return each(lambda row: _slopes(at_zero(time, row))[count:], theta)

    def offset(time: RealArray, theta: RealArray) -> RealArray:
        return each(lambda row: at_zero(time, row).value, theta)

    def theta_jacobian(time: RealArray, theta: RealArray, coefficients: RealArray) -> RealArray:
        return _slopes(dual(time, theta, coefficients))[:count]

    return RateLaw(
        key=text,
        title=f"y = {text.split('=', 1)[-1].strip()}",
        use="A rate law of your own.",
        formula=text,
        equation=text,
        source="the user's own expression",
        nonlinear=tuple(names[name] for name in nonlinear),
        linear=tuple(names[name] for name in linear),
        exchangeable=0,
        signed=True,
        pseudo_first_order=False,
        rivals=("single", "single-slope", "double", "stretched"),
        basis=basis,
        offset=offset,
        theta_jacobian=theta_jacobian,
    )


def _slopes(dual: _Dual) -> RealArray:
    assert dual.slopes is not None
    return dual.slopes


def _refusal(text: str, reason: str) -> SettingsError:
    allowed = (
        f"a formula such as 'a*exp(-k*t) + b': {reason}; allowed are numbers, names, + - * / **, "
        f"brackets and {', '.join(FUNCTIONS)}"
    )
    shown = text if len(text) <= 80 else text[:77] + "..."
    return SettingsError("law", shown, valid=allowed)


def _parse(text: str) -> ast.expr:
    """Parse and check every node of the tree."""
    if len(text) > LONGEST_TEXT:
        raise _refusal(text, f"it is longer than {LONGEST_TEXT} characters")
    formula = re.sub(r"^\s*y\s*=", "", text).strip()
    try:
        tree = ast.parse(formula, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _refusal(text, "brackets or operators do not match") from error
    for node in ast.walk(tree):
        reason = _objection(node)
        if reason:
            raise _refusal(text, reason)
    return tree


def _objection(node: ast.AST) -> str:
    """Why a node is not allowed; empty where it is."""
    allowed = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Constant, ast.Load)
    operators = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)
    if isinstance(node, ast.BitXor):
        return "powers are written with **, not ^"
    if not isinstance(node, (*allowed, *operators)):
        return f"it holds a {type(node).__name__}, which is no arithmetic"
    if isinstance(node, ast.Constant):
        number = node.value
        if isinstance(number, bool) or not isinstance(number, int | float):
            return f"{number!r} is no number"
        if not abs(number) < LARGEST_CONSTANT:
            return "it holds a number that is too large"
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            name = node.func.id if isinstance(node.func, ast.Name) else "an expression"
            return f"{name} is no function that is known"
        if len(node.args) != 1 or node.keywords:
            return f"{node.func.id} takes one argument"
    return ""


def _is_affine(node: ast.expr, names: frozenset[str]) -> bool:
    """Whether the tree is a sum of terms each proportional to at most one of `names`."""
    if not any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node)):
        return True
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.UnaryOp):
        return _is_affine(node.operand, names)
    if not isinstance(node, ast.BinOp):
        return False
    left, right = _is_affine(node.left, names), _is_affine(node.right, names)
    if isinstance(node.op, (ast.Add, ast.Sub)):
        return left and right
    if isinstance(node.op, ast.Mult):
        return (left and _is_free(node.right, names)) or (right and _is_free(node.left, names))
    return isinstance(node.op, ast.Div) and left and _is_free(node.right, names)


def _is_free(node: ast.expr, names: frozenset[str]) -> bool:
    return not any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


def _evaluate(
    node: ast.expr, time: RealArray, values: Mapping[str, RealArray], order: Mapping[str, int]
) -> _Dual:
    """Value and derivatives of a checked tree."""
    if isinstance(node, ast.Constant):
        return _Dual(np.float64(node.value), None)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        if node.id == TIME_NAME:
            return _Dual(time, None)
        if node.id in CONSTANTS:
            return _Dual(np.float64(CONSTANTS[node.id]), None)  # type: ignore[arg-type]
        unit = np.zeros((len(order), 1))
        unit[order[node.id]] = 1
        return _Dual(values[node.id], unit)
    if isinstance(node, ast.UnaryOp):
        inner = _evaluate(node.operand, time, values, order)
        return inner if isinstance(node.op, ast.UAdd) else _scaled(inner, -1.0)
    if isinstance(node, ast.Call):
        inner = _evaluate(node.args[0], time, values, order)
        function, derivative = FUNCTIONS[node.func.id]  # type: ignore[attr-defined]
        value = function(inner.value)
        if inner.slopes is None:
            return _Dual(value, None)
        return _Dual(value, derivative(inner.value, value) * inner.slopes)
    assert isinstance(node, ast.BinOp)
    left = _evaluate(node.left, time, values, order)
    right = _evaluate(node.right, time, values, order)
    return _combine(node.op, left, right)


def _scaled(dual: _Dual, factor: RealArray | float) -> _Dual:
    slopes = None if dual.slopes is None else dual.slopes * factor
    return _Dual(dual.value * factor, slopes)


def _sum(left: RealArray | None, right: RealArray | None) -> RealArray | None:
    if left is None or right is None:
        return left if right is None else right
    return left + right


def _combine(operator: ast.operator, left: _Dual, right: _Dual) -> _Dual:
    """Arithmetic of dual numbers."""
    if isinstance(operator, ast.Add):
        return _Dual(left.value + right.value, _sum(left.slopes, right.slopes))
    if isinstance(operator, ast.Sub):
        return _combine(ast.Add(), left, _scaled(right, -1.0))
    if isinstance(operator, ast.Mult):
        along = _scaled(left, right.value).slopes, _scaled(right, left.value).slopes
        return _Dual(left.value * right.value, _sum(*along))
    if isinstance(operator, ast.Div):
        value = left.value / right.value
        along = _scaled(left, 1 / right.value).slopes, _scaled(right, -value / right.value).slopes
        return _Dual(value, _sum(*along))
    value = left.value**right.value
    by_base = right.value * left.value ** (right.value - 1)
    base = None if left.slopes is None else by_base * left.slopes
    if right.slopes is None:
        return _Dual(value, base)
    return _Dual(value, _sum(base, value * np.log(left.value) * right.slopes))
