/** Weighted lines and hyperbolas through the points of a secondary plot. */

import { dot, invertUpper, triangularise } from "./algebra.js";
import { backSubstitute } from "./problem.js";

const GOLDEN = (Math.sqrt(5) - 1) / 2;
const GRID_POINTS = 60;

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
function withScatter({ values, covariance, squares }, points) {
  const free = points - values.length, scale = free > 0 ? Math.max(squares / free, 1) : 1;
  const spread = covariance.map((row) => row.map((value) => value * scale));
  return { values, stderr: spread.map((row, i) => Math.sqrt(row[i])), squares };
}

/** ``y = v0 + v1 x`` */
export function fitLine(x, y, error) {
  return withScatter(solveWeighted([x.map(() => 1), x], y, error), x.length);
}

/** ``y = v0 + v1 x / (v2 + x)``, globally in the half point v2; null where there is none. */
export function fitHyperbola(x, y, error) {
  const positive = x.filter((value) => value > 0);
  if (x.length < 4 || positive.length < 3) return null;
  const share = (half) => x.map((value) => value / (half + value));
  const at = (logHalf) => solveWeighted([x.map(() => 1), share(Math.exp(logHalf))], y, error);
  const low = Math.log(Math.min(...positive) / 30), high = Math.log(Math.max(...positive) * 30);
  const step = (high - low) / (GRID_POINTS - 1);
  const misfits = Array.from({ length: GRID_POINTS }, (_, i) => at(low + i * step).squares);
  const best = misfits.indexOf(Math.min(...misfits));
  if (best === 0 || best === GRID_POINTS - 1) return null;
  const logHalf = goldenMinimum((v) => at(v).squares, low + (best - 1) * step, low + (best + 1) * step);
  const half = Math.exp(logHalf), [base, top] = at(logHalf).values;
  const slopes = x.map((value) => (-top * value) / (half + value) ** 2);
  const { covariance, squares } = solveWeighted([x.map(() => 1), share(half), slopes], y, error);
  const misfit = at(logHalf).squares;
  return withScatter({ values: [base, top, half], covariance, squares: Math.max(misfit, squares) }, x.length);
}

function goldenMinimum(f, low, high) {
  let a = low, b = high, c = b - GOLDEN * (b - a), d = a + GOLDEN * (b - a), fc = f(c), fd = f(d);
  while (Math.abs(b - a) > 1e-9) {
    if (fc < fd) [b, d, fd, c] = [d, c, fc, d - GOLDEN * (d - a)], (fc = f(c));
    else [a, c, fc, d] = [c, d, fd, c + GOLDEN * (b - c)], (fd = f(d));
  }
  return (a + b) / 2;
}
