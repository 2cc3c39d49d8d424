/** A law with some parameters fixed, in the dimensionless units of a window. */

import { LAWS, amplitudeOf, fillDerivative, fillShape } from "./laws.js";
import { addScaled, triangularise, workspace } from "./algebra.js";
import { SLOWEST_KT } from "./window.js";

/**
 * @typedef {object} Problem
 * @property {import("./laws.js").RateLaw} law
 * @property {number[]} theta        k T of fixed rates, 1 elsewhere.
 * @property {number[]} freeRates    Indices of the free rates.
 * @property {number[]} freeLinear   Indices of the free linear parameters.
 * @property {number[]} offset       Fixed linear parameters, 0 elsewhere.
 * @property {number} count          Number of free parameters.
 */

/**
 * @param {string} key
 * @param {Record<string, number>} fixed  In the units of the trace.
 * @param {import("./window.js").Window} window
 * @returns {Problem}
 */
export function pinParameters(key, fixed, window) {
  const law = LAWS[key];
  const indices = (names) => names.map((_, i) => i).filter((i) => !(names[i] in fixed));
  const freeRates = indices(law.rates), freeLinear = indices(law.linear);
  return {
    law,
    theta: law.rates.map((name) => (name in fixed ? fixed[name] / thetaUnit(law, name, window) : 1)),
    freeRates,
    freeLinear,
    offset: law.linear.map((name) =>
      name in fixed ? fixed[name] / linearUnit(name, window) : 0,
    ),
    count: freeRates.length + freeLinear.length,
  };
}

/** What a dimensionless nonlinear parameter is multiplied by. */
export function thetaUnit(law, name, { lengthS }) {
  return name in law.ranges ? 1 : 1 / lengthS;
}

/** Between what a nonlinear parameter lies, dimensionless. @returns {[number, number]} */
export function limitsOf(law, index, fastest) {
  const range = law.ranges[law.rates[index]];
  return range ? [range.low, range.high] : [SLOWEST_KT, fastest];
}

/** What a dimensionless linear parameter is multiplied by. */
export function linearUnit(name, window) {
  return name === "slope_per_s" ? window.unit / window.lengthS : window.unit;
}

/**
 * Columns of the linear parameters at given rates.
 * @param {Problem} problem
 * @param {{time: Float64Array, root?: Float64Array}} data
 * @param {number[]} theta
 * @param {string} [owner]  Of the memory.
 * @returns {Float64Array[]}
 */
export function linearColumns({ law }, { time, root }, theta, owner = "columns") {
  const n = time.length, columns = workspace(owner, law.linear.length, n);
  columns.forEach((column, index) => {
    if (index < law.phases) fillShape(law, column, time, theta, index);
    else if (law.linear[index] === "slope_per_s") column.set(time);
    else column.fill(1);
    if (root) for (let i = 0; i < n; i++) column[i] *= root[i];
  });
  return columns;
}

/**
 * The best linear parameters at given rates, and where the sum of squares falls.
 *
 * One QR decomposition of the linear terms and of the derivatives in ln k: its first rows give
 * the coefficients, the others the projected residual and Kaufman's Jacobian; BIT 15, 49 (1975),
 * 10.1007/BF01932995.
 * @param {Problem} problem
 * @param {{time: Float64Array, signal: Float64Array, root: Float64Array}} data
 * @param {number[]} theta
 */
export function project(problem, data, theta) {
  const { law, freeRates, freeLinear, offset } = problem;
  const { time, signal, root } = data, n = time.length;
  const columns = linearColumns(problem, data, theta);
  const [right, ...slopes] = workspace("slopes", 1 + freeRates.length, n);
  for (let i = 0; i < n; i++) right[i] = signal[i] * root[i];
  offset.forEach((value, index) => {
    if (value) addScaled(right, -value, columns[index]);
  });
  freeRates.forEach((index, at) => {
    const slope = slopes[at], shape = columns[index], rate = -theta[index];
    if (!law.shape) {
      for (let i = 0; i < n; i++) slope[i] = rate * time[i] * shape[i];
      return;
    }
    fillDerivative(law, slope, time, theta, index);
    for (let i = 0; i < n; i++) slope[i] *= theta[index] * root[i];
  });
  const f = freeLinear.length;
  const upper = triangularise([...freeLinear.map((index) => columns[index]), ...slopes], right);
  const coefficients = backSubstitute(upper, right, f);
  const linear = offset.slice();
  freeLinear.forEach((index, at) => (linear[index] = coefficients[at]));
  let misfit = 0;
  for (let i = f; i < n; i++) misfit += right[i] * right[i];
  const jacobian = freeRates.map((index, column) =>
    freeRates.map((_, row) => upper[f + row][f + column] * linear[amplitudeOf(law, index)]),
  );
  return { misfit, linear, target: freeRates.map((_, row) => right[f + row]), jacobian };
}

/** Solves R x = right for the leading `count` rows; a vanishing pivot gives 0. */
export function backSubstitute(upper, right, count) {
  const x = new Array(count).fill(0);
  for (let i = count - 1; i >= 0; i--) {
    let rest = right[i];
    for (let k = i + 1; k < count; k++) rest -= upper[i][k] * x[k];
    x[i] = upper[i][i] !== 0 ? rest / upper[i][i] : 0;
  }
  return x;
}
