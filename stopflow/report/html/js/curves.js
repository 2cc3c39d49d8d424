/** Weighted lines and curves with a half point through the points of a secondary plot. */

import { dot, invertUpper, triangularise } from "./algebra.js";
import { backSubstitute } from "./problem.js";

const GOLDEN = (Math.sqrt(5) - 1) / 2;
const CURVE_GRID = 60;
/** The half point is sought from this part of the smallest x > 0 to as many times the largest. */
const CURVE_REACH = 30;

/** Linear least squares with errors: values, covariance and the weighted sum of squares. */
function solveWeighted(columns, y, error) {
  const scaled = columns.map((column) => Float64Array.from(column, (v, i) => v / error[i]));
  const right = Float64Array.from(y, (v, i) => v / error[i]);
  const upper = triangularise(scaled, right), count = columns.length;
  const inverse = invertUpper(upper);
  let squares = 0;
  for (let i = count; i < right.length; i++) squares += right[i] ** 2;
  return {
    values: backSubstitute(upper, right, count),
    covariance: inverse.map((a) => inverse.map((b) => dot(a, b))),
    squares,
  };
}

/** Errors are scaled up where the points scatter more than they say, never down. */
function withScatter({ values, covariance }, squares, points) {
  const free = points - values.length, scale = free > 0 ? Math.max(squares / free, 1) : 1;
  return { values, stderr: covariance.map((row, i) => Math.sqrt(row[i] * scale)) };
}

/** Columns times their coefficients: two parameters that enter linearly. */
export function fitLinear(columns, y, error) {
  const solved = solveWeighted(columns, y, error);
  return withScatter(solved, solved.squares, y.length);
}

/**
 * A curve with a half point K, globally in K; null where the data hold none.
 * @param {number[]} x
 * @param {number[]} y
 * @param {number[]} error
 * @param {(x: number, half: number) => number[]} shapes  Of the two linear parameters.
 * @param {(x: number, half: number, linear: number[]) => number} slope  d y / d K.
 * @returns {{values: number[], stderr: number[]}|null}  The linear parameters, then K.
 */
export function fitWithHalf(x, y, error, shapes, slope) {
  const positive = x.filter((value) => value > 0);
  if (x.length < 4 || positive.length < 3) return null;
  const columns = (half) => [0, 1].map((which) => x.map((value) => shapes(value, half)[which]));
  const at = (logHalf) => solveWeighted(columns(Math.exp(logHalf)), y, error);
  const low = Math.log(Math.min(...positive) / CURVE_REACH);
  const high = Math.log(Math.max(...positive) * CURVE_REACH), step = (high - low) / (CURVE_GRID - 1);
  const misfits = Array.from({ length: CURVE_GRID }, (_, i) => at(low + i * step).squares);
  const best = misfits.indexOf(Math.min(...misfits));
  if (best === 0 || best === CURVE_GRID - 1) return null;
  const around = [low + (best - 1) * step, low + (best + 1) * step];
  const logHalf = goldenMinimum((v) => at(v).squares, ...around), half = Math.exp(logHalf);
  const { values, squares } = at(logHalf);
  const all = [...columns(half), x.map((value) => slope(value, half, values))];
  const { covariance } = solveWeighted(all, y, error);
  return withScatter({ values: [...values, half], covariance }, squares, x.length);
}

function goldenMinimum(f, low, high) {
  let a = low, b = high, c = b - GOLDEN * (b - a), d = a + GOLDEN * (b - a), fc = f(c), fd = f(d);
  while (Math.abs(b - a) > 1e-9) {
    if (fc < fd) {
      [b, d, fd] = [d, c, fc];
      c = b - GOLDEN * (b - a);
      fc = f(c);
    } else {
      [a, c, fc] = [c, d, fd];
      d = a + GOLDEN * (b - a);
      fd = f(d);
    }
  }
  return (a + b) / 2;
}
