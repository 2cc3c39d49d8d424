/** The noise of residuals and its correlation from point to point. */

import { dot, workspace } from "./algebra.js";

const LARGEST_RHO = 0.999;
/** |z| beyond which a correlation has a chance below 0.01. */
const SIGNIFICANT_Z = 2.5758293035489004;

/**
 * Lag-one correlation of the noise, corrected for the bias of fitted residuals, and the factor
 * on standard errors; Marriott and Pope, Biometrika 41, 390 (1954), 10.1093/biomet/41.3-4.390.
 * @param {Float64Array} residuals
 * @param {number} parameters
 */
export function noiseCorrelation(residuals, parameters) {
  const n = residuals.length, none = { rho: 0, inflation: 1, significant: false };
  const total = dot(residuals, residuals);
  if (n < Math.max(10, parameters + 3) || !(total > 0)) return none;
  const raw = dot(residuals.subarray(1), residuals.subarray(0, n - 1)) / total;
  let rho = (raw + parameters / n) / (1 - (2 + parameters) / n);
  rho = Math.min(Math.max(rho, -LARGEST_RHO), LARGEST_RHO);
  const significant = Math.abs(raw + parameters / n) * Math.sqrt(n) > SIGNIFICANT_Z;
  let inflation = 1;
  if (rho > 0) {
    const power = (1 + rho) / (1 - rho);
    const left = Math.max(n - parameters * power, 0.25 * n);
    inflation = Math.sqrt(power * Math.max((n - parameters) / left, 1));
  }
  return { rho, inflation, significant };
}

const SHORTEST_BLOCK = 8, LONGEST_BLOCK = 128;
/** Noise of this size, as a part of the signal, is rounding, and so is its correlation. */
const NO_NOISE = 1e-9;

/** Noise of residuals from short blocks with their straight lines taken off. */
export function estimateNoise(signal) {
  const n = signal.length;
  const length = Math.min(Math.max(Math.floor(n / 100), SHORTEST_BLOCK), LONGEST_BLOCK);
  const tail = signal.subarray(Math.floor(n / 4));
  const count = Math.floor(tail.length / length);
  const [values] = workspace("noise", 1, count * length);
  values.set(tail.subarray(tail.length - count * length));
  const ramp = Float64Array.from({ length }, (_, i) => i - (length - 1) / 2);
  const norm = Math.sqrt(dot(ramp, ramp));
  const blocks = [];
  for (let b = 0; b < count; b++) {
    const block = values.subarray(b * length, (b + 1) * length);
    let mean = 0, slope = 0;
    for (let i = 0; i < length; i++) mean += block[i] / length;
    for (let i = 0; i < length; i++) slope += ((block[i] - mean) * ramp[i]) / norm;
    for (let i = 0; i < length; i++) block[i] += -mean - (slope * ramp[i]) / norm;
    blocks.push({ block, power: dot(block, block) });
  }
  const powers = blocks.map(({ power }) => power).sort((a, b) => a - b);
  const half = powers.length >> 1;
  const median = powers.length % 2 ? powers[half] : (powers[half - 1] + powers[half]) / 2;
  const kept = blocks.filter(({ power }) => power <= 4 * median);
  let total = 0, lagged = 0;
  for (const { block, power } of kept) {
    total += power;
    lagged += dot(block.subarray(1), block.subarray(0, length - 1));
  }
  const size = kept.length * length;
  const largest = tail.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (Math.sqrt(total / size) <= NO_NOISE * largest) return { sd: 0, rho: 0 };
  const raw = lagged / total + 2 / length;
  const rho = raw * Math.sqrt(size) > 3 ? Math.min(raw / (1 - 4 / length), 0.95) : 0;
  const lost = Math.min((2 * (1 + rho)) / (1 - rho) / length, 0.5);
  return { sd: Math.sqrt(total / size / (1 - lost)), rho };
}
