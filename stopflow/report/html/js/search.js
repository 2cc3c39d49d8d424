/**
 * The global search over the rates on block means: a scan of a logarithmic grid sees every
 * minimum, Levenberg-Marquardt in ln k follows the best few down. No starting values.
 */

import { addScaled, dot, orthonormalise, removeRows, solvePositive } from "./algebra.js";
import { LAWS, exponential } from "./laws.js";
import { limitsOf, linearColumns, project } from "./problem.js";
import { SLOWEST_KT } from "./window.js";

const GRID_STEP = 0.25;
/** Grid points for one, two and three free rates. */
const RATE_COUNTS = [96, 28, 20];
/** Rates that are tried beside the single one that explains most. */
const BESIDE_COUNT = 7;
const STARTS = 3;
const RIDGE = 1e-13;
const SCAN_ROUNDING = 8 * Number.EPSILON;

/**
 * Finds the rates with the smallest sum of squares.
 * @param {import("./problem.js").Problem} problem
 * @param {{time: Float64Array, signal: Float64Array, root: Float64Array}} blocks
 * @param {number} fastest  Largest k T.
 * @returns {{theta: number[], linear: number[], curveLength: number}}  `curveLength` is that of
 *   the curve of shapes on the unit sphere, for the test of significance.
 */
export function searchRates(problem, blocks, fastest) {
  const { theta, freeRates, law } = problem;
  if (!freeRates.length) {
    return { theta, linear: project(problem, blocks, theta).linear, curveLength: 100 };
  }
  let starts, curveLength = 100;
  if (law.phases === 1 && !law.shape && problem.freeLinear.includes(0)) {
    ({ starts, curveLength } = scanOneRate(problem, blocks, fastest));
  } else if (!law.shape && freeRates.length === law.phases && problem.offset.every((value) => value === 0)) {
    starts = scanPhases(problem, blocks, fastest);
  } else starts = scanProduct(problem, blocks, fastest);
  let best = null;
  for (const start of starts) {
    const found = descend(problem, blocks, start, { fastest, tolerance: 1e-3 });
    if (!best || found.misfit < best.misfit) best = found;
  }
  best = descend(problem, blocks, best.theta, { fastest, tolerance: 1e-6 });
  return { theta: best.theta, linear: best.linear, curveLength };
}

function rateGrid(fastest, count) {
  const low = Math.log(SLOWEST_KT), high = Math.log(fastest);
  const size = count || Math.max(Math.floor((high - low) / GRID_STEP) + 2, 4);
  return Array.from({ length: size }, (_, i) => low + ((high - low) * i) / (size - 1));
}

/** Explains the signal by the projected unit vectors of one exponential. */
function scanOneRate(problem, { time, signal, root }, fastest) {
  const n = time.length;
  const columns = linearColumns(problem, { time, root }, [0], "scan");
  const frame = orthonormalise(
    problem.freeLinear.filter((i) => i > 0).map((i) => columns[i].slice()),
  );
  const rest = new Float64Array(n);
  for (let i = 0; i < n; i++) rest[i] = signal[i] * root[i];
  problem.offset.forEach((value, index) => {
    if (value) addScaled(rest, -value, columns[index]);
  });
  for (let pass = 0; pass < 2; pass++) removeRows(rest, frame);
  const grid = rateGrid(fastest), explained = [];
  let before = null, curveLength = 0;
  for (const x of grid) {
    const vector = new Float64Array(n);
    exponential(vector, time, -Math.exp(x));
    for (let i = 0; i < n; i++) vector[i] *= root[i];
    const whole = dot(vector, vector);
    removeRows(vector, frame);
    const left = dot(vector, vector);
    const norm = left > SCAN_ROUNDING ** 2 * whole ? 1 / Math.sqrt(left) : 0;
    for (let i = 0; i < n; i++) vector[i] *= norm;
    explained.push(dot(vector, rest) ** 2);
    if (before) {
      addScaled(before, -1, vector);
      curveLength += Math.sqrt(dot(before, before));
    }
    before = vector;
  }
  const order = summits(explained).map((at) => [Math.exp(grid[at])]);
  return { starts: order, curveLength };
}

/** Indices of the maxima that could be the highest one, the highest first. */
function summits(values) {
  const at = (i) => values[i] ?? -1;
  const tops = values.map((_, i) => i).filter((i) => at(i) >= at(i - 1) && at(i) > at(i + 1));
  tops.sort((a, b) => values[b] - values[a]);
  return tops.slice(0, STARTS).filter((i) => i === tops[0] || values[i] > 0.9 * values[tops[0]]);
}

/** Scans all choices of different rates from the products of the single exponentials. */
function scanPhases(problem, { time, signal, root }, fastest) {
  const { phases } = problem.law, n = time.length;
  const grid = rateGrid(fastest, RATE_COUNTS[phases - 1]);
  const rows = grid.map((x) => {
    const row = new Float64Array(n);
    exponential(row, time, -Math.exp(x));
    for (let i = 0; i < n; i++) row[i] *= root[i];
    return row;
  });
  const baseline = linearColumns(problem, { time, root }, grid).slice(phases);
  const lineIndices = problem.freeLinear.filter((i) => i >= phases);
  const all = [...rows, ...lineIndices.map((i) => baseline[i - phases])];
  const rest = new Float64Array(n);
  for (let i = 0; i < n; i++) rest[i] = signal[i] * root[i];
  const gram = all.map((a) => all.map((b) => dot(a, b)));
  const target = all.map((a) => dot(a, rest));
  const lines = all.map((_, i) => i).slice(grid.length);
  const scan = (place) => {
    const used = [...place, ...lines];
    const largest = Math.max(...used.map((a) => gram[a][a]));
    const matrix = used.map((a) => used.map((b) => gram[a][b] + (a === b ? RIDGE * largest : 0)));
    const right = used.map((a) => target[a]), solved = solvePositive(matrix, right);
    return { place, explained: solved ? dot(solved, right) : 0 };
  };
  const [single] = apart(grid.map((_, i) => scan([i])));
  const starts = apart(choices(grid.length, phases).map(scan)).map(({ place }) => place.map((i) => Math.exp(grid[i])));
  return [...starts, ...startsBeside(problem, { time, signal, root }, Math.exp(grid[single.place[0]]), fastest)];
}

/**
 * Where one rate explains nearly all, its valley is narrower than the grid, and the grid is highest
 * where two rates share that one. These starts have the single best rate and others far from it.
 */
function startsBeside(problem, blocks, rate, fastest) {
  const { law } = problem, lines = problem.freeLinear.filter((i) => i >= law.phases).map((i) => i - law.phases + 1);
  const single = {
    law: law.slope ? LAWS["single-slope"] : LAWS.single, theta: [1], freeRates: [0], freeLinear: [0, ...lines],
    offset: new Array(2 + law.slope).fill(0),
  };
  const [best] = descend(single, blocks, [rate], { fastest, tolerance: 1e-3 }).theta;
  const far = rateGrid(fastest, BESIDE_COUNT).map(Math.exp).filter((other) => Math.abs(Math.log(other / best)) > 1);
  return choices(far.length, law.phases - 1).map((place) => [best, ...place.map((i) => far[i])]);
}

/** Every choice of `count` different numbers below `size`, rising. */
function choices(size, count) {
  let found = [[]];
  for (let n = 0; n < count; n++) {
    found = found.flatMap((before) => {
      const first = n ? before[n - 1] + 1 : 0;
      return Array.from({ length: size - first }, (_, i) => [...before, first + i]);
    });
  }
  return found;
}

/** Scans every combination of the free nonlinear parameters by a projection each. */
function scanProduct(problem, blocks, fastest) {
  const { law, freeRates } = problem, grid = rateGrid(fastest, RATE_COUNTS[freeRates.length - 1]).map(Math.exp);
  const axes = freeRates.map((index) => law.ranges[law.rates[index]]?.starts ?? grid);
  let places = [[]];
  for (const axis of axes) places = places.flatMap((p) => axis.map((_, i) => [...p, i]));
  // Of rates that may change places the first is the larger one.
  if (law.shape && law.exchangeable && freeRates.length > 1) places = places.filter(([a, b]) => a > b);
  const scanned = places.map((place) => {
    const theta = withRates(problem, problem.theta, place.map((i, at) => axes[at][i]));
    return { place, theta, explained: -project(problem, blocks, theta).misfit };
  });
  return apart(scanned).map(({ theta }) => theta);
}

/** The best few that are not neighbours on the grid. */
function apart(scanned) {
  const chosen = [];
  for (const item of scanned.sort((a, b) => b.explained - a.explained)) {
    const near = (other) => item.place.every((p, i) => Math.abs(p - other.place[i]) <= 1);
    if (!chosen.some(near)) chosen.push(item);
    if (chosen.length === STARTS) break;
  }
  return chosen;
}

function withRates({ freeRates }, from, rates) {
  const theta = from.slice();
  freeRates.forEach((index, at) => (theta[index] = rates[at]));
  return theta;
}

/** Limits of a logarithm in a descent; those of one rate among others are wider than what is refused. */
function boundsOf(law, index, fastest) {
  const alone = law.rates.length === 1 && !law.shape, room = alone || law.rates[index] in law.ranges ? 1 : 10;
  const [low, high] = limitsOf(law, index, fastest);
  return [Math.log(low / room), Math.log(high * room)];
}

/**
 * Levenberg-Marquardt in the logarithms of the free rates.
 * @param {import("./problem.js").Problem} problem
 * @param {{time: Float64Array, signal: Float64Array, root: Float64Array}} data
 * @param {number[]} start
 * @param {{fastest: number, tolerance: number, most?: number}} options  `tolerance` is that of ln k,
 *   `most` the number of steps.
 */
export function descend(problem, data, start, { fastest, tolerance, most = 100 }) {
  const bounds = problem.freeRates.map((index) => boundsOf(problem.law, index, fastest));
  let theta = start, at = project(problem, data, theta), damping = 1e-6;
  for (let count = 0; count < most; count++) {
    const size = problem.freeRates.length;
    const normal = at.jacobian.map((a) => at.jacobian.map((b) => dot(a, b)));
    const gradient = at.jacobian.map((a) => dot(a, at.target));
    const steps = solvePositive(
      normal.map((row, i) => row.map((v, j) => (i === j ? v * (1 + damping) + 1e-300 : v))),
      gradient,
    );
    if (!steps) return { theta, ...at };
    const rates = problem.freeRates.map((index, i) =>
      Math.exp(Math.min(Math.max(Math.log(theta[index]) + steps[i], bounds[i][0]), bounds[i][1])),
    );
    const tried = withRates(problem, theta, rates), there = project(problem, data, tried);
    const moved = Math.max(...problem.freeRates.map((i) => Math.abs(Math.log(tried[i] / theta[i]))));
    if (there.misfit <= at.misfit * (1 + 1e-15)) {
      theta = tried;
      at = there;
      damping = Math.max(damping / 30, size > 1 ? 1e-14 : 0);
      if (moved < tolerance) break;
    } else {
      if (moved < tolerance) break;
      damping = damping * 10 || 1e-6;
    }
  }
  return { theta, ...at };
}
