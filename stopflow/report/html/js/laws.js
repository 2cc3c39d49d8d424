/**
 * The rate laws: the table of Python, with its names, formulas and rivals.
 *
 *     y(t) = sum_i c_i phi_i(t) [+ a t] + b,   t in seconds since the start of the fit
 *
 * where phi is exp(-k_i t), or the shape of the law.
 */

import { BURST, LAG, SECOND_ORDER, SECOND_ORDER_UNEQUAL, STRETCHED } from "./shapes.js";

/**
 * @typedef {object} RateLaw
 * @property {string} key        Name in settings, tables and decisions.
 * @property {string} label      Name in the page.
 * @property {string} title      Name in sentences.
 * @property {string} formula
 * @property {number} phases     Number of amplitudes.
 * @property {boolean} slope     Whether the baseline has a slope.
 * @property {string[]} rates    Names of the nonlinear parameters.
 * @property {string[]} linear   Names of the linear parameters, amplitudes first.
 * @property {import("./shapes.js").Shape|null} shape  Of its only amplitude; null: exponentials.
 * @property {Record<string, {low: number, high: number, starts: number[]}>} ranges  Of nonlinear
 *   parameters that are no rates.
 * @property {boolean} exchangeable  Whether the rates may change places.
 * @property {string[]} rivals   Laws that it is compared with.
 */

/** @returns {RateLaw} */
function sumOfExponentials(key, label, title, { phases, slope, rivals }) {
  const suffixes = Array.from({ length: phases }, (_, i) => (i ? String(i + 1) : ""));
  const terms = suffixes.map((s) => `c${s} exp(-k${s} t)`);
  return {
    key, label, title, phases, slope, rivals, shape: null, ranges: {}, exchangeable: phases > 1,
    formula: ["y = " + terms.join(" + "), ...(slope ? ["a t"] : []), "b"].join(" + "),
    rates: suffixes.map((s) => `k${s}_per_s`),
    linear: [...suffixes.map((s) => `amplitude${s}`), ...(slope ? ["slope_per_s"] : []), "intercept"],
  };
}

/** @returns {RateLaw} */
function oneShape(key, title, shape, { formula, rates, rivals, slope = false, ranges = {} }) {
  return {
    key, label: key.replaceAll("-", " "), title, formula, rates, rivals, shape, slope, ranges, phases: 1,
    exchangeable: rates.includes("k2_per_s"), linear: ["amplitude", ...(slope ? ["slope_per_s"] : []), "intercept"],
  };
}

const OTHERS = ["stretched", "second-order", "second-order-unequal", "lag"];

/** @type {Record<string, RateLaw>} */
export const LAWS = Object.fromEntries(
  [
    sumOfExponentials("single", "single", "a single exponential", {
      phases: 1, slope: false, rivals: ["single-slope", "double", "stretched", "second-order", "lag"],
    }),
    sumOfExponentials("single-slope", "single + slope", "a single exponential with slope", {
      phases: 1, slope: true, rivals: ["single", "double", "stretched", "second-order", "lag"],
    }),
    sumOfExponentials("double", "double", "a double exponential", {
      phases: 2, slope: false, rivals: ["single", "single-slope", ...OTHERS, "double-slope"],
    }),
    sumOfExponentials("double-slope", "double + slope", "a double exponential with slope", {
      phases: 2, slope: true, rivals: ["single-slope", "double", "triple", ...OTHERS],
    }),
    sumOfExponentials("triple", "triple", "a triple exponential", {
      phases: 3, slope: false, rivals: ["double", "double-slope", ...OTHERS],
    }),
    oneShape("stretched", "a stretched exponential", STRETCHED, {
      formula: "y = c exp(-(k t)^beta) + b", rates: ["k_per_s", "beta"],
      ranges: { beta: { low: 0.08, high: 4, starts: [0.15, 0.2, 0.27, 0.35, 0.45, 0.6, 0.8, 1, 1.25, 1.6, 2] } },
      rivals: ["single", "single-slope", "double", "second-order", "second-order-unequal", "lag"],
    }),
    oneShape("second-order", "a second-order reaction of equal concentrations", SECOND_ORDER, {
      formula: "y = c / (1 + k t) + b", rates: ["k_per_s"],
      rivals: ["single", "single-slope", "double", "stretched", "lag"],
    }),
    oneShape("second-order-unequal", "a second-order reaction of unequal concentrations", SECOND_ORDER_UNEQUAL, {
      formula: "y = c (1 - r) / (exp((1 - r) k t) - r) + b", rates: ["k_per_s", "ratio"],
      ranges: { ratio: { low: 0.01, high: 1, starts: [0.05, 0.2, 0.4, 0.6, 0.8, 0.95] } },
      rivals: ["single", "single-slope", "second-order", "double", "stretched"],
    }),
    oneShape("lag", "two consecutive first-order steps", LAG, {
      formula: "y = c (k1 exp(-k2 t) - k2 exp(-k1 t)) / (k1 - k2) + b", rates: ["k_per_s", "k2_per_s"],
      rivals: ["single", "single-slope", "double", "stretched"],
    }),
    oneShape("burst", "a burst with a steady rate", BURST, {
      formula: "y = c (1 - exp(-k t)) + a t + b", rates: ["k_per_s"], slope: true,
      rivals: ["single", "double", "double-slope", "stretched"],
    }),
  ].map((law) => [law.key, law]),
);

/** Which amplitude a nonlinear parameter belongs to. */
export function amplitudeOf(law, index) {
  return law.shape ? 0 : index;
}

/** column = phi of an amplitude */
export function fillShape({ shape }, column, time, theta, amplitude) {
  if (!shape) return exponential(column, time, -theta[amplitude]);
  for (let i = 0; i < time.length; i++) column[i] = shape.value(time[i], theta);
}

/** column = derivative of phi in a nonlinear parameter */
export function fillDerivative({ shape }, column, time, theta, index) {
  if (shape) {
    const slope = shape.slopes[index];
    for (let i = 0; i < time.length; i++) column[i] = slope(time[i], theta);
    return;
  }
  for (let i = 0; i < time.length; i++) column[i] = -time[i] * Math.exp(-theta[index] * time[i]);
}

/** column = exp(rate t) */
export function exponential(column, time, rate) {
  for (let i = 0; i < time.length; i++) column[i] = Math.exp(rate * time[i]);
}

/**
 * Evaluates a law.
 * @param {RateLaw} law
 * @param {Record<string, number>} parameters
 * @param {Float64Array} timeS
 * @param {number} startS  Where the time of the law begins.
 * @returns {Float64Array}
 */
export function evaluate(law, parameters, timeS, startS) {
  const y = new Float64Array(timeS.length).fill(parameters.intercept), column = new Float64Array(timeS.length);
  const since = timeS.map((t) => t - startS), theta = law.rates.map((name) => parameters[name]);
  if (law.slope) for (let i = 0; i < y.length; i++) y[i] += parameters.slope_per_s * since[i];
  for (let phase = 0; phase < law.phases; phase++) {
    const amplitude = parameters[law.linear[phase]];
    fillShape(law, column, since, theta, phase);
    for (let i = 0; i < y.length; i++) y[i] += amplitude * column[i];
  }
  return y;
}
