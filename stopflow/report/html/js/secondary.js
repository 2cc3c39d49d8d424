/** What a changed shot does to its condition and to the secondary plot. */

import { fitHyperbola, fitLine } from "./curves.js";
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

/** How the coordinates and the parameters of each kind of plot follow from the conditions. */
const KINDS = {
  line: {
    x: (row) => row.concentration_M,
    y: (k) => k,
    error: (k, relative) => k * relative,
    fit: fitLine,
    parameters: ({ values, stderr }) => [
      ["k_on", values[1], stderr[1], "M⁻¹ s⁻¹"],
      ["k_off", values[0], stderr[0], "s⁻¹"],
    ],
    curve: ([base, slope], x) => base + slope * x,
  },
  hyperbola: {
    x: (row) => row.concentration_M,
    y: (k) => k,
    error: (k, relative) => k * relative,
    fit: fitHyperbola,
    parameters: ({ values, stderr }) => [
      ["k_max", values[1], stderr[1], "s⁻¹"],
      ["K", values[2], stderr[2], "M"],
      ["k_off", values[0], stderr[0], "s⁻¹"],
    ],
    curve: ([base, top, half], x) => base + (top * x) / (half + x),
  },
  arrhenius: {
    x: (row) => 1 / row.temperature_K,
    y: (k) => Math.log(k),
    error: (_, relative) => relative,
    fit: fitLine,
    parameters: ({ values, stderr }) => [
      ["Ea", (-values[1] * GAS_CONSTANT) / 1e3, (stderr[1] * GAS_CONSTANT) / 1e3, "kJ/mol"],
      ["ln A", values[0], stderr[0], ""],
    ],
    curve: ([base, slope], x) => base + slope * x,
  },
  eyring: {
    x: (row) => 1 / row.temperature_K,
    y: (k, row) => Math.log(k / row.temperature_K),
    error: (_, relative) => relative,
    fit: fitLine,
    parameters: ({ values, stderr }) => [
      ["dH", (-values[1] * GAS_CONSTANT) / 1e3, (stderr[1] * GAS_CONSTANT) / 1e3, "kJ/mol"],
      ["dS", GAS_CONSTANT * (values[0] - LOG_BOLTZMANN_PLANCK), GAS_CONSTANT * stderr[0], "J/(mol K)"],
    ],
    curve: ([base, slope], x) => base + slope * x,
  },
};

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
  const kind = KINDS[plot.kind];
  if (!kind || !plot.members.length) return null;
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
  const clamp = (k) => Math.max(k, 1e-12);
  return {
    points: used.map(({ row, mean, x, y }) => ({
      x: x * plot.factor,
      y,
      low: kind.y(plot.kind === "line" || plot.kind === "hyperbola" ? mean.low : clamp(mean.low), row),
      high: kind.y(mean.high, row),
    })),
    parameters: kind.parameters(fitted).map(([name, value, stderr, unit]) => ({ name, value, stderr, unit })),
    curve: (x) => kind.curve(fitted.values, x / plot.factor),
  };
}
