/**
 * The profile-likelihood interval of a rate: where the best sum of squares has risen by the
 * square of Student's quantile. Bates and Watts, Nonlinear Regression Analysis (1988), 6.1.
 */

import { addScaled, dot, orthonormalise, removeRows, workspace } from "./algebra.js";
import { descend } from "./search.js";
import { amplitudeOf, fillDerivative } from "./laws.js";
import { limitsOf, linearColumns, project } from "./problem.js";
import { refine } from "./refine.js";
import { Refusal, blockMeans } from "./window.js";

/**
 * How exact an interval is.
 * @typedef {object} Accuracy
 * @property {number} lastStep  A step of Newton, over the standard error, that is the last one.
 * @property {number} newtons   How many steps of Newton there may be before a bracket is made.
 * @property {number} halvings  How often a bracket may be made smaller.
 * @property {number} descents  Steps to a minimum over block means; none: no interval is asked for.
 * @property {boolean} coarse   Whether one exponential is profiled over block means too, and no
 *   minimum followed to its last digits.
 */

/** @type {Accuracy} */
export const ALL_DIGITS = { lastStep: 1e-7, newtons: 8, halvings: 60, descents: 100, coarse: false };
/** For a law that is compared with another: how well it fits. @type {Accuracy} */
export const NO_INTERVAL = { ...ALL_DIGITS, descents: 0 };
/** For numbers that stand for one frame: three digits of the distance to the rate. @type {Accuracy} */
export const AT_A_GLANCE = { lastStep: 0.02, newtons: 4, halvings: 8, descents: 10, coarse: true };

/**
 * @param {import("./problem.js").Problem} problem
 * @param {import("./window.js").Window} window
 * @param {{theta: number[], index: number, variance: number, error: number, quantile: number,
 *          accuracy: Accuracy}} at
 *   `index` of the rate, `variance` of the noise over the unit, relative `error` of the rate.
 * @returns {[number, number]}  k T; 0 or infinite on a side where the data set no limit.
 */
export function profileInterval(problem, window, at) {
  const best = Math.log(at.theta[at.index]);
  const { profile, shift } =
    problem.law.phases === 1 && !problem.law.shape && problem.freeLinear.includes(0) && !at.accuracy.coarse
      ? { profile: oneRateProfile(problem, window, best), shift: 0 }
      : generalProfile(problem, window, at);
  const distance = (x) => {
    const [rise, slope] = profile(x - shift);
    const root = Math.sqrt(Math.max(rise, 0) / at.variance);
    return [root, root > 0 ? Math.abs(slope) / (2 * at.variance * root) : Infinity];
  };
  const [least, most] = limitsOf(problem.law, at.index, window.fastest).map(Math.log);
  const low = crossing(distance, best, { ...at, error: -at.error, limit: least });
  const high = crossing(distance, best, { ...at, limit: most });
  return [low === null ? 0 : Math.exp(low), high === null ? Infinity : Math.exp(high)];
}

/** The profile over the points: everything but one exponential is projected out. */
function oneRateProfile(problem, { time, signal }, best) {
  const n = time.length, { law } = problem;
  const free = problem.freeLinear.filter((i) => i > 0);
  const [e, d, rest, ...rows] = workspace("profile", 3 + free.length, n);
  free.forEach((i, at) => (law.linear[i] === "slope_per_s" ? rows[at].set(time) : rows[at].fill(1)));
  // The constant first: a line less its mean is orthogonal to it.
  const frame = orthonormalise(rows.reverse());
  rest.set(signal);
  law.linear.forEach((name, index) => {
    const value = problem.offset[index];
    if (!value) return;
    for (let i = 0; i < n; i++) rest[i] -= value * (name === "slope_per_s" ? time[i] : 1);
  });
  for (let pass = 0; pass < 2; pass++) removeRows(rest, frame);
  const explain = (x) => {
    const rate = -Math.exp(x);
    for (let i = 0; i < n; i++) {
      const scaled = rate * time[i];
      e[i] = Math.exp(scaled);
      d[i] = scaled * e[i];
    }
    removeRows(e, frame);
    removeRows(d, frame);
    const ee = dot(e, e), c = ee > 0 ? dot(rest, e) / ee : 0;
    return [c * dot(rest, e), 2 * c * (dot(rest, d) - c * dot(e, d))];
  };
  const top = explain(best)[0];
  return (x) => {
    const [explained, slope] = explain(x);
    return [top - explained, -slope];
  };
}

/** The profile over block means, and how far their best ln k lies below that of the points. */
function generalProfile(problem, window, { theta, index, accuracy }) {
  const blocks = blockMeans(window);
  const options = { fastest: window.fastest, tolerance: 1e-5, most: accuracy.descents, coarse: accuracy.coarse };
  const free = lowest(problem, blocks, theta, options);
  const held = { ...problem, freeRates: problem.freeRates.filter((i) => i !== index) };
  const profile = (x) => {
    // From the fit each time: a profile that remembers its way is no function of x.
    const start = free.theta.slice();
    start[index] = Math.exp(x);
    const found = lowest(held, blocks, start, options);
    return [found.misfit - free.misfit, slopeAt(problem, blocks, found.theta, index)];
  };
  return { profile, shift: Math.log(theta[index]) - Math.log(free.theta[index]) };
}

/** The minimum to the last digits: a descent compares sums of squares, which are flat there. */
function lowest(problem, blocks, start, options) {
  const near = descend(problem, blocks, start, options);
  if (!problem.freeRates.length || options.coarse) return near;
  const found = refine(problem, blocks, near.theta, near.linear);
  const better = !(found instanceof Refusal) && found.rss <= near.misfit * (1 + 1e-12);
  return better ? { theta: found.theta, misfit: found.rss } : near;
}

/** d(sum of squares) / d ln k of one rate, everything else at its best. */
function slopeAt(problem, { time, signal, root }, theta, index) {
  const { law } = problem, { linear } = project(problem, { time, signal, root }, theta);
  const [rest, derivative] = workspace("slope", 2, time.length);
  rest.set(signal);
  linearColumns(problem, { time }, theta).forEach((column, at) => addScaled(rest, -linear[at], column));
  fillDerivative(law, derivative, time, theta, index);
  let slope = 0;
  for (let i = 0; i < time.length; i++) slope += root[i] * root[i] * derivative[i] * rest[i];
  return -2 * theta[index] * linear[amplitudeOf(law, index)] * slope;
}

/**
 * Where `distance` reaches the quantile on the side of `error`; null before the limit. The signed
 * root is nearly a straight line, so Newton needs two or three steps; else a bracket is halved.
 */
function crossing(distance, best, { quantile, error, limit, accuracy }) {
  const side = error > 0 ? 1 : -1;
  let x = best + error * quantile;
  for (let count = 0; count < accuracy.newtons; count++) {
    if (!(side * (x - best) > 0 && side * (x - best) < side * (limit - best))) break;
    const [root, slope] = distance(x);
    if (!(slope > 0 && slope < Infinity)) break;
    const step = (side * (quantile - root)) / slope;
    x += step;
    if (Math.abs(step) < accuracy.lastStep * Math.abs(error)) return x;
  }
  if (distance(limit)[0] < quantile) return null;
  return bracketed((at) => distance(at)[0] - quantile, best, limit, accuracy.halvings);
}

/** Root of a function that is negative at `low` and positive at `high`, by Ridders' method. */
function bracketed(f, low, high, most) {
  let a = low, b = high, fa = f(a), fb = f(b);
  for (let count = 0; count < most && Math.abs(b - a) > 1e-13 * Math.max(1, Math.abs(a)); count++) {
    const middle = (a + b) / 2, fm = f(middle);
    const s = Math.sqrt(fm * fm - fa * fb);
    if (s === 0) return middle;
    const x = middle + ((middle - a) * Math.sign(fa - fb) * fm) / s, fx = f(x);
    if (Math.abs(fx) < 1e-13) return x;
    if (Math.sign(fm) !== Math.sign(fx)) [a, fa, b, fb] = [middle, fm, x, fx];
    else if (Math.sign(fa) !== Math.sign(fx)) [b, fb] = [x, fx];
    else [a, fa] = [x, fx];
  }
  return (a + b) / 2;
}
