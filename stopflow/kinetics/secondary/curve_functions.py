"""Values and slopes of the curves of secondary plots: (x (M,), values (p,)) -> (M,), (M, p)."""

import numpy as np
from scipy.constants import Boltzmann, Planck, R

from stopflow.kinetics.secondary.curve_model import Function
from stopflow.trace import FloatArray

KILO = 1e3
LN_10 = float(np.log(10.0))
Values = tuple[FloatArray, FloatArray]


def line(x: FloatArray, values: FloatArray) -> Values:
    """``k_off + k_on x``."""
    k_on, k_off = values
    return k_off + k_on * x, np.stack((x, np.ones_like(x)), axis=-1)


def constant(x: FloatArray, values: FloatArray) -> Values:
    """One value everywhere."""
    return np.full_like(x, values[0]), np.ones((*x.shape, 1))


def hyperbola(x: FloatArray, values: FloatArray) -> Values:
    """``k_off + k_max x / (K + x)``."""
    k_max, half, k_off = values
    share = x / (half + x)
    slopes = (share, -k_max * x / (half + x) ** 2, np.ones_like(x))
    return k_off + k_max * share, np.stack(slopes, axis=-1)


def falling(x: FloatArray, values: FloatArray) -> Values:
    """``k_inf + (k_0 - k_inf) K / (K + x)``."""
    k_0, k_inf, half = values
    share = half / (half + x)
    slopes = (share, 1 - share, (k_0 - k_inf) * x / (half + x) ** 2)
    return k_inf + (k_0 - k_inf) * share, np.stack(slopes, axis=-1)


def hill(x: FloatArray, values: FloatArray) -> Values:
    """``k_off + k_max x^n / (K^n + x^n)``."""
    k_max, half, n, k_off = values
    safe = np.where(x > 0, x, half)
    power = np.where(x > 0, (safe / half) ** n, 0.0)
    share = power / (1 + power)
    bend = k_max * power / (1 + power) ** 2
    slopes = (share, -bend * n / half, bend * np.log(safe / half), np.ones_like(x))
    return k_off + k_max * share, np.stack(slopes, axis=-1)


def tight_binding(x: FloatArray, values: FloatArray) -> Values:
    """``k_on sqrt((E + x + K)^2 - 4 E x)``: the difference of the roots of the binding equation."""
    k_on, half, partner = values
    total = partner + x + half
    root = np.sqrt(total**2 - 4 * partner * x)
    slopes = (root, k_on * total / root, k_on * (total - 2 * x) / root)
    return k_on * root, np.stack(slopes, axis=-1)


def saturation(x: FloatArray, values: FloatArray) -> Values:
    """Saturate: ``A x / (K + x)``."""
    top, half = values
    share = x / (half + x)
    return top * share, np.stack((share, -top * x / (half + x) ** 2), axis=-1)


def bound_share(x: FloatArray, values: FloatArray) -> Values:
    """Multiply A by the bound share of the partner, the smaller root of the binding equation."""
    top, half, partner = values
    total = partner + x + half
    root = np.sqrt(total**2 - 4 * partner * x)
    share = (total - root) / (2 * partner)
    of_half = top * (1 - total / root) / (2 * partner)
    of_partner = top * (1 - (total - 2 * x) / root) / (2 * partner) - top * share / partner
    return top * share, np.stack((share, of_half, of_partner), axis=-1)


def _phase(
    total: FloatArray, product: FloatArray, slopes: tuple[FloatArray, FloatArray], *, fast: bool
) -> Values:
    """One root of ``k^2 - total k + product``, with its slopes from those (M, p) of both."""
    apart = np.sqrt(np.maximum(total**2 - 4 * product, 0))
    sign = 1.0 if fast else -1.0
    # The slow root without the difference of two large numbers.
    high = (total + apart) / 2
    value = high if fast else product / high
    of_total, of_product = slopes
    bend = (total[:, None] * of_total - 2 * of_product) / np.maximum(apart, 1e-300)[:, None]
    return value, (of_total + sign * bend) / 2


def _induced_fit(x: FloatArray, values: FloatArray, *, fast: bool) -> Values:
    k_on, k_off, k_2, k_back = values
    one, nought = np.ones_like(x), np.zeros_like(x)
    total = k_on * x + k_off + k_2 + k_back
    product = k_on * x * (k_2 + k_back) + k_off * k_back
    of_total = np.stack((x, one, one, one), axis=-1)
    of_product = np.stack(
        (x * (k_2 + k_back), k_back + nought, k_on * x, k_on * x + k_off), axis=-1
    )
    return _phase(total, product, (of_total, of_product), fast=fast)


def _selection(x: FloatArray, values: FloatArray, *, fast: bool) -> Values:
    k_r, k_back, k_on, k_off = values
    one, nought = np.ones_like(x), np.zeros_like(x)
    total = k_on * x + k_off + k_r + k_back
    product = k_on * x * k_r + k_off * (k_r + k_back)
    of_total = np.stack((one, one, x, one), axis=-1)
    of_product = np.stack(
        (k_on * x + k_off, k_off + nought, x * k_r, k_r + k_back + nought), axis=-1
    )
    return _phase(total, product, (of_total, of_product), fast=fast)


def two_step(mechanism: str, *, fast: bool) -> Function:
    """Return the function of one phase of a two-step mechanism."""
    whole = {"induced fit": _induced_fit, "conformational selection": _selection}[mechanism]

    def phase(x: FloatArray, values: FloatArray) -> Values:
        return whole(x, values, fast=fast)

    return phase


def arrhenius(x: FloatArray, values: FloatArray) -> Values:
    """``ln A - Ea / (R T)``, Ea in kJ/mol, x = 1 / T."""
    energy, log_a = values
    return log_a - energy * KILO / R * x, np.stack((-KILO / R * x, np.ones_like(x)), axis=-1)


def eyring(x: FloatArray, values: FloatArray) -> Values:
    """``ln(kB / h) + dS / R - dH / (R T)``, dH in kJ/mol and dS in J/(mol K), x = 1 / T."""
    enthalpy, entropy = values
    y = np.log(Boltzmann / Planck) + entropy / R - enthalpy * KILO / R * x
    return y, np.stack((-KILO / R * x, np.full_like(x, 1 / R)), axis=-1)


def one_pka(x: FloatArray, values: FloatArray) -> Values:
    """``k_acid + (k_base - k_acid) / (1 + 10^(pKa - pH))``."""
    k_acid, k_base, pka = values
    share = 1 / (1 + 10 ** (pka - x))
    slopes = (1 - share, share, -(k_base - k_acid) * share * (1 - share) * LN_10)
    return k_acid + (k_base - k_acid) * share, np.stack(slopes, axis=-1)


def bell(x: FloatArray, values: FloatArray) -> Values:
    """``k_max / (1 + 10^(pKa1 - pH) + 10^(pH - pKa2))``."""
    top, first, second = values
    left, right = 10 ** (first - x), 10 ** (x - second)
    share = 1 / (1 + left + right)
    slopes = (share, -top * share**2 * left * LN_10, top * share**2 * right * LN_10)
    return top * share, np.stack(slopes, axis=-1)
