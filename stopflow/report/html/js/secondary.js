/** What a changed shot does to its condition and to the secondary plot. */

import { fitLinear, fitWithHalf } from "./curves.js";
import { studentQuantile975 } from "./distributions.js";

const GAS_CONSTANT = 8.31446261815324;
const LOG_BOLTZMANN_PLANCK = Math.log(1.380649e-23 / 6.62607015e-34);
const NORMAL_975 = 1.959963984540054;
const FEWEST_REPLICATES = 3;

/**
 * The rate of one shot as it counts in means.
 * @typedef {{k: number, error: number, low: number, high: number}} ShotRate
 */

/**
 * Averages the shots of a condition: from three shots on, the scatter between them gives the
 * error; fewer have the errors of their fits.
 * @param {ShotRate[]} rates
 */
export function averageShots(rates) {
  const n = rates.length;
  if (!n) return { shots: 0, k: NaN, error: NaN, low: NaN, high: NaN };
  const k = rates.reduce((sum, rate) => sum + rate.k, 0) / n;
  if (n === 1) return { shots: 1, ...rates[0] };
  let error, half;
  if (n >= FEWEST_REPLICATES) {
    const squares = rates.reduce((sum, rate) => sum + (rate.k - k) ** 2, 0);
    error = Math.sqrt(squares / (n - 1) / n);
    half = studentQuantile975(n - 1) * error;
  } else {
    error = Math.sqrt(rates.reduce((sum, rate) => sum + rate.error ** 2, 0)) / n;
    half = NORMAL_975 * error;
  }
  return { shots: n, k, error, low: k - half, high: k + half };
}

/** Relative error of a mean, with the scatter that all conditions of the lab have in common. */
export function relativeError(rates, scatter) {
  const squares = rates.reduce((sum, { k, error }) => sum + (error / k) ** 2, 0) / rates.length;
  return Math.max(Math.sqrt((scatter ** 2 + squares) / rates.length), 1e-9);
}

const concentration = {
  varies: "concentration_M",
  x: (row) => row.concentration_M,
  y: (k) => k,
  error: (k, relative) => k * relative,
};

const temperature = {
  varies: "temperature_K",
  x: (row) => 1 / row.temperature_K,
  error: (_, relative) => relative,
};

const perKelvin = (x) => (-1e3 / GAS_CONSTANT) * x;

/** How the coordinates and the parameters of each kind of plot follow from the conditions. */
const KINDS = {
  line: {
    ...concentration,
    parameters: [["k_on", "M⁻¹ s⁻¹"], ["k_off", "s⁻¹"]],
    fit: (x, y, error) => fitLinear([x, x.map(() => 1)], y, error),
    curve: ([slope, base], x) => base + slope * x,
  },
  hyperbola: {
    ...concentration,
    parameters: [["k_max", "s⁻¹"], ["k_off", "s⁻¹"], ["K", "M"]],
    fit: (x, y, error) => fitWithHalf(x, y, error, (v, half) => [v / (half + v), 1],
      (v, half, [top]) => (-top * v) / (half + v) ** 2),
    curve: ([top, base, half], x) => base + (top * x) / (half + x),
  },
  "falling hyperbola": {
    ...concentration,
    parameters: [["k_0", "s⁻¹"], ["k_inf", "s⁻¹"], ["K", "M"]],
    fit: (x, y, error) => fitWithHalf(x, y, error, (v, half) => [half / (half + v), v / (half + v)],
      (v, half, [first, last]) => ((first - last) * v) / (half + v) ** 2),
    curve: ([first, last, half], x) => last + ((first - last) * half) / (half + x),
  },
  arrhenius: {
    ...temperature,
    y: (k) => Math.log(k),
    parameters: [["Ea", "kJ/mol"], ["ln A", ""]],
    fit: (x, y, error) => fitLinear([x.map(perKelvin), x.map(() => 1)], y, error),
    curve: ([energy, logA], x) => logA + energy * perKelvin(x),
  },
  eyring: {
    ...temperature,
    y: (k, row) => Math.log(k / row.temperature_K),
    parameters: [["ΔH‡", "kJ/mol"], ["ΔS‡", "J/(mol K)"]],
    fit: (x, y, error) => fitLinear([x.map(perKelvin), x.map(() => 1 / GAS_CONSTANT)],
      y.map((v) => v - LOG_BOLTZMANN_PLANCK), error),
    curve: ([enthalpy, entropy], x) =>
      LOG_BOLTZMANN_PLANCK + entropy / GAS_CONSTANT + enthalpy * perKelvin(x),
  },
};

/** Whether the page can fit a plot again: one of a known kind whose curve was taken. */
export function canRefit(plot) {
  return plot.kind in KINDS && plot.members.length > 0 && plot.curves.some(({ chosen }) => chosen);
}

const COORDINATES = ["experiment", "substrate", "mixture", "concentration_M", "temperature_K", "ionic_strength_M"];

/**
 * Where a single shot lies in a plot: at its condition, or at a new one that differs from those of
 * the plot in nothing but what varies.
 * @param {object} plot  As in the file.
 * @returns {{x: number, y: number, low: number, high: number}|null}  In the units of the axes; null
 *   where the shot has no place in the plot.
 */
export function placeShot(plot, conditions, shot) {
  const kind = KINDS[plot.kind] ?? (plot.against === "concentration" ? concentration : null);
  if (!kind || !Number.isFinite(kind.x(shot))) return null;
  const members = plot.members.map((member) => conditions[member]);
  const equal = (row) => COORDINATES.every((name) =>
    name === kind.varies || Object.is(row[name] ?? NaN, shot[name] ?? NaN));
  if (shot.place ? !members.includes(shot.place) : !members.some(equal)) return null;
  const y = (k) => kind.y(k, shot);
  return { x: kind.x(shot) * plot.factor, y: y(shot.k_per_s), low: y(shot.k_low95_per_s), high: y(shot.k_high95_per_s) };
}

/**
 * Fits a secondary plot again from rates as they are now.
 * @param {object} plot  As in the file.
 * @param {object[]} conditions
 * @param {(condition: object) => ShotRate[]} ratesOf  Usable shots of a condition.
 * @param {number} scatter
 * @returns {{points: {x: number, y: number, low: number, high: number}[],
 *            parameters: {name: string, value: number, stderr: number, unit: string}[],
 *            curve: (x: number) => number} | null}  In the units of the axes; null where too few
 *   points are left.
 */
export function refitPlot(plot, conditions, ratesOf, scatter) {
  if (!canRefit(plot)) return null;
  const kind = KINDS[plot.kind];
  const used = plot.members.map((member) => conditions[member])
    .map((row) => ({ row, rates: ratesOf(row) }))
    .filter(({ rates }) => rates.length)
    .map(({ row, rates }) => {
      const mean = averageShots(rates), relative = relativeError(rates, scatter);
      return { row, mean, x: kind.x(row), y: kind.y(mean.k, row), error: kind.error(mean.k, relative) };
    });
  if (new Set(used.map(({ x }) => x)).size < 3) return null;
  const fitted = kind.fit(used.map(({ x }) => x), used.map(({ y }) => y), used.map((p) => p.error));
  if (!fitted) return null;
  return {
    points: used.map(({ row, mean, x, y }) => ({
      x: x * plot.factor,
      y,
      low: kind.y(mean.low, row),
      high: kind.y(mean.high, row),
    })),
    parameters: kind.parameters.map(([name, unit], i) => ({
      name, unit, value: fitted.values[i], stderr: fitted.stderr[i],
    })),
    curve: (x) => kind.curve(fitted.values, x / plot.factor),
  };
}
