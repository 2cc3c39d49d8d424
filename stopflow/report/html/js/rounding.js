/**
 * Rounding of the recorded signal: where it comes in steps, and what that does to a fit.
 *
 * The error of rounding is a sawtooth of the place between two levels, the same for many points of
 * a slow part of the curve. Widrow and Kollar, Quantization Noise (2008), chapters 4 and 9.
 */

import { addScaled, dot } from "./algebra.js";

const HARMONICS = 24;
/** Steps are seen where so many points share their value with another point, on a lattice. */
const SHARED = 0.2;
/** Deviation from the lattice that counts as rounding of the numbers themselves, in steps. */
const OFF_LATTICE = 0.02;
const FEWEST_LEVEL_POINTS = 10;
/** Residuals smaller than this part of the step are rounding errors, not noise. */
const COARSEST = 0.5;

/** Of signals that were looked at, so that a drag need not look again. */
const knownLevels = new WeakMap();

/**
 * The levels of a window's signal.
 * @param {import("./window.js").Window} window
 * @param {boolean} glance  Take those of an earlier window of the same signal.
 * @returns {{step: number, levels: number}}  `step` over the unit of the window; 0 without levels.
 */
export function findLevels({ signal, source, unit }, glance) {
  if (!(glance && knownLevels.has(source))) {
    const { step, levels } = digitisingStep(signal);
    knownLevels.set(source, { step: step * unit, levels });
  }
  const { step, levels } = knownLevels.get(source);
  return { step: step / unit, levels };
}

function digitisingStep(signal) {
  const n = signal.length, sorted = signal.slice().sort(), span = sorted[n - 1] - sorted[0];
  const gaps = [];
  let levels = 1;
  for (let i = 1; i < n; i++) {
    const gap = sorted[i] - sorted[i - 1];
    if (gap > 0) levels++;
    // Equal but for the rounding of a conversion of units.
    if (gap > 1e-9 * span) gaps.push(gap);
    if (levels > (1 - SHARED) * n) return { step: 0, levels };
  }
  if (n < FEWEST_LEVEL_POINTS || !gaps.length) return { step: 0, levels };
  const least = gaps.reduce((a, b) => Math.min(a, b));
  const near = gaps.filter((gap) => gap < 1.5 * least).sort((a, b) => a - b), half = near.length >> 1;
  const step = near.length % 2 ? near[half] : (near[half - 1] + near[half]) / 2;
  const onLattice = (gap) => {
    const steps = Math.round(gap / step);
    return Math.abs(gap / step - steps) <= OFF_LATTICE * Math.max(steps, 1);
  };
  return { step: gaps.every(onLattice) ? step : 0, levels };
}

/** Sum of arrays times factors. */
function combine(arrays, factors) {
  const sum = new Float64Array(arrays[0].length);
  arrays.forEach((array, at) => addScaled(sum, factors[at], array));
  return sum;
}

/** Weights of the covariance's cosines, for the noise of rounded data. */
function harmonics(step, noiseSd) {
  const before = Math.max(noiseSd ** 2 - step ** 2 / 12, 0) / step ** 2;
  return Array.from({ length: HARMONICS }, (_, i) => {
    const order2 = (i + 1) ** 2;
    return (step ** 2 / (2 * Math.PI ** 2 * order2)) * Math.exp(-4 * Math.PI ** 2 * order2 * before);
  });
}

/** The standard deviation of the rounding error that neighbouring points share. */
export function roundingSd(step, noiseSd) {
  return step > 0 ? Math.sqrt(harmonics(step, noiseSd).reduce((a, b) => a + b)) : 0;
}

/** Whether the steps are so large that the residuals are rounding errors. */
export function isRounded(step, noiseSd) {
  return step > 0 && noiseSd < COARSEST * step;
}

/**
 * Factors on the standard errors for white noise, for a signal rounded to `step`.
 * @param {Float64Array[]} columns  Of the Jacobian, by the free parameters.
 * @param {number[][]} inverse      (p, p) of the triangle of its QR decomposition.
 * @param {Float64Array} curve      Fitted, in the unit of `step`.
 */
export function roundingInflation(columns, inverse, curve, { step, noiseSd }) {
  const n = curve.length, weights = harmonics(step, noiseSd);
  const white = Math.max(noiseSd ** 2 - weights.reduce((a, b) => a + b), 0);
  // What each point does to each parameter: R^-1 Q'.
  const frame = inverse.map((_, j) => combine(columns, inverse.map((row) => row[j])));
  const response = inverse.map((row) => combine(frame, row));
  const own = response.map((row) => dot(row, row)), variance = own.map((value) => white * value);
  for (let order = 1; order <= HARMONICS; order++) {
    if (weights[order - 1] < 1e-6 * noiseSd ** 2) break;
    const [cosine, sine] = [Math.cos, Math.sin].map((wave) =>
      curve.map((value) => wave((2 * Math.PI * order * (value - curve[n - 1])) / step)));
    response.forEach((row, at) => (variance[at] += weights[order - 1] * (dot(row, cosine) ** 2 + dot(row, sine) ** 2)));
  }
  return variance.map((value, at) => Math.sqrt(Math.max(value / (noiseSd ** 2 * own[at]), 1e-12)));
}
