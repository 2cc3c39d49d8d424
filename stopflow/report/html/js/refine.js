/**
 * The last steps to the minimum, on points or block means and in all free parameters at once:
 * Newton with the exact curvature, then one QR decomposition for the errors.
 */

import { dot, factorPositive, invertUpper, solveFactored, solvePositive, triangularise, workspace } from "./algebra.js";
import { fillDerivative, fillShape } from "./laws.js";
import { backSubstitute } from "./problem.js";
import { Refusal } from "./window.js";

const LARGEST_CONDITION = 1e11;
/** Steps below this relative size are in the range of fast convergence. */
const CLOSE = 1e-7;
/** The next step is so small that only rounding is left. */
const FINISHED = 1e-11;
const LARGEST_COUNT = 60;
/** The same where the numbers stand for one frame, and what normal equations can tell apart. */
const FINISHED_FRAME = 1e-3, LARGEST_COUNT_FRAME = 4, LARGEST_CONDITION_FRAME = 1e6;
const INSEPARABLE = "the parameters cannot be told apart: the data hold less than the rate law asks";

/**
 * @param {import("./problem.js").Problem} problem
 * @param {{time: Float64Array, signal: Float64Array, root?: Float64Array}} data  A window's points,
 *   or its block means with the roots of their weights.
 * @param {number[]} theta   k T of all phases.
 * @param {number[]} linear  All linear parameters.
 * @returns {{theta: number[], linear: number[], inverse: number[][], rss: number} | Refusal}
 *   `inverse` (p, p) times its transpose is the covariance for noise of variance 1, free rates
 *   first, then free linear parameters.
 */
export function refine(problem, data, theta, linear) {
  let here = { theta: theta.slice(), linear: linear.slice() };
  let accepted = here, misfit = Infinity, step = null, moved = Infinity;
  for (let count = 0; count < LARGEST_COUNT; count++) {
    const at = linearise(problem, data, here);
    if (at.rss > misfit * (1 + 1e-9) && moved > CLOSE) {
      step = step.map((value) => value / 2);
      moved /= 2;
      here = take(problem, accepted, step);
      continue;
    }
    accepted = here;
    misfit = at.rss;
    step = newtonStep(problem, at);
    const before = moved;
    moved = relativeStep(problem, here, step);
    const stalled = moved < CLOSE && moved > before / 4;
    if (moved < FINISHED || stalled) return close(problem, at, here);
    here = take(problem, accepted, step);
  }
  return new Refusal(
    "parameters undetermined",
    `no minimum after ${LARGEST_COUNT} steps: the data hold less than the rate law asks`,
  );
}

/**
 * The same to the digits that can be read while the window moves: steps of Gauss and Newton by
 * normal equations, few of them, from a minimum over block means.
 */
export function refineFrame(problem, window, theta, linear) {
  let here = { theta: theta.slice(), linear: linear.slice() };
  for (let count = 0; count < LARGEST_COUNT_FRAME; count++) {
    const { columns, residual, rss } = linearise(problem, window, here);
    const { normal, gradient } = normalEquations(columns, residual), factor = factorPositive(normal);
    const inverse = factor ? invertUpper(transposed(factor.lower)) : [[Infinity]];
    if (!(inverse.flat().reduce((sum, value) => sum + value * value, 0) < LARGEST_CONDITION_FRAME ** 2)) break;
    const step = solveFactored(factor, gradient);
    here = take(problem, here, step);
    if (relativeStep(problem, here, step) < FINISHED_FRAME) {
      const scaled = inverse.map((row, i) => row.map((value) => value * factor.scale[i]));
      return { ...here, inverse: scaled, rss: rss - dot(gradient, step) };
    }
  }
  return new Refusal("parameters undetermined", INSEPARABLE);
}

const transposed = (matrix) => matrix.map((_, i) => matrix.map((row) => row[i]));

function normalEquations(columns, residual) {
  const normal = columns.map(() => new Array(columns.length));
  columns.forEach((a, i) => {
    for (let j = 0; j <= i; j++) normal[i][j] = normal[j][i] = dot(a, columns[j]);
  });
  return { normal, gradient: columns.map((column) => dot(column, residual)) };
}

/** The largest part of a step: of a rate over the rate, of a linear parameter over the largest. */
function relativeStep({ freeRates }, { theta, linear }, step) {
  const rates = freeRates.map((i, a) => Math.abs(step[a] / theta[i]));
  const largest = Math.max(...linear.map(Math.abs));
  const others = step.slice(freeRates.length).map((part) => (part ? Math.abs(part) / largest : 0));
  return Math.max(0, ...rates, ...others);
}

/** Derivatives in all free parameters and the residual, weighted where there are weights. */
export function linearise({ law, freeRates, freeLinear }, { time, signal, root }, { theta, linear }) {
  const n = time.length, phases = law.phases;
  const [residual, ones, ramp, ...long] = workspace("refine", 3 + phases + law.rates.length, n);
  const shapes = long.slice(0, phases), slopes = long.slice(phases);
  const slope = law.slope ? linear[phases] : 0, intercept = linear[linear.length - 1];
  for (let i = 0; i < n; i++) residual[i] = signal[i] - slope * time[i] - intercept;
  if (law.shape) addShape(law, { residual, shape: shapes[0], slopes, time, theta, amplitude: linear[0] });
  else for (let phase = 0; phase < phases; phase++) {
    addPhase(residual, shapes[phase], slopes[phase], time, -theta[phase], linear[phase]);
  }
  ones.fill(1);
  if (law.slope) ramp.set(time);
  const all = [...shapes, ...(law.slope ? [ramp] : []), ones];
  if (root) for (const row of [residual, ...all, ...slopes]) multiply(row, root);
  const columns = [...freeRates.map((i) => slopes[i]), ...freeLinear.map((i) => all[i])];
  return { columns, residual, rss: dot(residual, residual), time, linear };
}

function multiply(row, factors) {
  for (let i = 0; i < row.length; i++) row[i] *= factors[i];
}

/** One exponential: its shape, its derivative in k, and what it takes off the residual. */
function addPhase(residual, shape, slope, time, rate, amplitude) {
  for (let i = 0; i < time.length; i++) {
    const part = amplitude * (shape[i] = Math.exp(rate * time[i]));
    residual[i] -= part;
    slope[i] = -time[i] * part;
  }
}

/** The same of a law with a shape of its own. */
function addShape(law, { residual, shape, slopes, time, theta, amplitude }) {
  fillShape(law, shape, time, theta, 0);
  for (let i = 0; i < time.length; i++) residual[i] -= amplitude * shape[i];
  slopes.forEach((slope, index) => {
    fillDerivative(law, slope, time, theta, index);
    for (let i = 0; i < time.length; i++) slope[i] *= amplitude;
  });
}

/** Newton's step; Gauss-Newton's for shapes, and where the sum of squares is not convex. */
function newtonStep({ law, freeRates, freeLinear }, { columns, residual, time, linear }) {
  const { normal, gradient } = normalEquations(columns, residual);
  if (law.shape) return solvePositive(normal, gradient) ?? gradient.map(() => 0);
  const bent = normal.map((row) => row.slice());
  freeRates.forEach((index, a) => {
    const c = linear[index], column = columns[a];
    if (!c) return;
    // The column is -c t e: residual times d2y/dk2 = c t^2 e, and times d2y/dkdc = -t e.
    bent[a][a] += tripleProduct(residual, time, column);
    const amplitude = freeLinear.indexOf(index);
    if (amplitude >= 0 && index < law.phases) {
      const b = freeRates.length + amplitude;
      bent[a][b] -= gradient[a] / c;
      bent[b][a] = bent[a][b];
    }
  });
  return solvePositive(bent, gradient) ?? solvePositive(normal, gradient) ?? gradient.map(() => 0);
}

function tripleProduct(a, b, c) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i] * c[i];
  return sum;
}

/** Takes a step; rates move in their logarithm and stay positive. */
function take({ freeRates, freeLinear }, from, step) {
  const theta = from.theta.slice(), linear = from.linear.slice();
  freeRates.forEach((index, a) => {
    theta[index] *= Math.exp(Math.min(Math.max(step[a] / theta[index], -1), 1));
  });
  freeLinear.forEach((index, a) => (linear[index] += step[freeRates.length + a]));
  return { theta, linear };
}

/** The last step and the errors, by QR. */
function close(problem, { columns, residual, rss }, here) {
  const lengths = columns.map((column) => Math.sqrt(dot(column, column)));
  const copies = workspace("triangle", columns.length, residual.length);
  copies.forEach((copy, i) => copy.set(columns[i]));
  const upper = triangularise(copies, residual);
  const unit = upper.map((row) => row.map((value, j) => value / (lengths[j] || 1)));
  const inverse = invertUpper(unit);
  const condition = Math.sqrt(inverse.flat().reduce((sum, value) => sum + value * value, 0));
  if (!(condition < LARGEST_CONDITION)) {
    return new Refusal("parameters undetermined", INSEPARABLE);
  }
  const step = backSubstitute(upper, residual, columns.length);
  const there = take(problem, here, step);
  let gained = 0;
  for (let j = 0; j < columns.length; j++) gained += residual[j] ** 2;
  return {
    ...there,
    inverse: inverse.map((row, i) => row.map((value) => value / lengths[i])),
    rss: rss - gained,
  };
}
