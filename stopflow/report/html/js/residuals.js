/** Whether the residuals are no more than noise: what the verdict on them is based on. */

import { chiSquaredTail, fTail } from "./distributions.js";
import { estimateNoise } from "./noise.js";

const MISFIT_BLOCKS = 32, FEWEST_POINTS = 64;
/** Chances below this are one and the same. */
const NO_CHANCE = 1e-250;
const NOTHING = { ratio: 1, chance: 1 };

/**
 * Tests residuals as a whole, in either half by its own noise, and at their beginning.
 * @param {Float64Array} residuals
 * @param {number} parameters
 * @param {number} sharedSd  Of errors that neighbours have in common, as from rounding to levels.
 * @returns {{ratio: number, chance: number}}  Mean square over its expectation, and the chance of
 *   as much without a reason, of the test in which that is smallest.
 */
export function testResiduals(residuals, parameters, sharedSd) {
  const half = residuals.length >> 1, whole = [residuals];
  if (half >= FEWEST_POINTS) whole.push(residuals.subarray(0, half), residuals.subarray(half));
  const waves = smallest(whole.map((part) => testWaves(part, parameters, sharedSd)));
  return leastOf([waves, testBeginning(residuals, parameters)]);
}

/** The least chance first, of chances that are nothing the largest ratio. */
function leastOf(tests) {
  const chance = (test) => Math.max(test.chance, NO_CHANCE);
  const before = (a, b) => chance(a) < chance(b) || (chance(a) === chance(b) && a.ratio > b.ratio);
  return tests.reduce((best, test) => (before(test, best) ? test : best));
}

/** The test with the smallest chance, for as many as were tried. */
function smallest(tests) {
  const { ratio, chance } = leastOf(tests);
  return { ratio, chance: Math.min(chance * tests.length, 1) };
}

/** Waves that noise does not explain: means of up to 32 blocks against the noise in short ones. */
function testWaves(residuals, parameters, sharedSd) {
  const n = residuals.length;
  if (n < FEWEST_POINTS) return NOTHING;
  const { sd, rho } = estimateNoise(residuals);
  if (!(sd + sharedSd > 0)) return NOTHING;
  const length = Math.max(Math.floor(n / MISFIT_BLOCKS), 8);
  const spread = (1 + rho) / (1 - rho);
  let total = 0, count = 0;
  for (let from = 0; from <= n - length; from += length) {
    const last = from + 2 * length > n, to = last ? n : from + length;
    let sum = 0;
    for (let i = from; i < to; i++) sum += residuals[i];
    const size = to - from;
    const ends = (2 * rho * (1 - rho ** size)) / (size * (1 - rho) ** 2);
    total += (sum / size) ** 2 / ((sd * sd * (spread - ends)) / size + sharedSd ** 2);
    count++;
  }
  const free = Math.max(count - parameters, 1);
  total /= 1 + 2 * Math.sqrt(2 / n) * Math.sqrt(spread);
  return { ratio: total / free, chance: chiSquaredTail(free, total) };
}

/** First residuals that are larger than the others, as after an artefact. */
function testBeginning(residuals, parameters) {
  const n = residuals.length, sizes = [2, 4, 8, 16, 32, 64].filter((size) => size <= n >> 2);
  if (!sizes.length || n < parameters + 8) return NOTHING;
  const sumOf = (from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += residuals[i] ** 2;
    return sum;
  };
  const longest = sizes[sizes.length - 1], last = sumOf(longest, n);
  return smallest(sizes.map((size) => {
    const free = Math.max(n - size - parameters, 1), rest = (last + sumOf(size, longest)) / free;
    const ratio = rest > 0 ? sumOf(0, size) / size / rest : 1;
    return { ratio, chance: fTail(size, free, ratio) };
  }));
}
