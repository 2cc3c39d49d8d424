/**
 * The part of a trace that is fitted, dimensionless: time over the length of the window, signal
 * less its mean over its largest value. And its block means, for the search.
 */

import { workspace } from "./algebra.js";

export const MIN_POINTS = 10;
export const SLOWEST_KT = 0.01;
const FASTEST_EXPONENT = 4;
const LARGEST_NUMBER = 1e150;
const ROUNDING = 8 * Number.EPSILON;
const UNIFORM_BLOCKS = 128;
const GROWTH = 1.1;
const SMALLEST_COMPRESSED = 400;

/** Why there is no fit: `status` is a word, `reason` a sentence. */
export class Refusal {
  /**
   * @param {string} status
   * @param {string} reason
   */
  constructor(status, reason) {
    this.ok = false;
    /** Where a search had come to: what a fit has that another one begins with. */
    this.nearest = null;
    this.status = status;
    this.reason = reason;
  }
}

/**
 * @typedef {object} Window
 * @property {Float64Array} time     (t - start) / length, increasing, ending at 1.
 * @property {Float64Array} signal   (y - centre) / unit.
 * @property {Float64Array} source   The whole signal as recorded.
 * @property {number} startS
 * @property {number} lengthS
 * @property {number} centre
 * @property {number} unit
 * @property {number} fastest        Largest k T that the sampling can show.
 */

/**
 * Cuts a trace to its window; the next call uses the arrays again.
 * @param {Float64Array} timeS
 * @param {Float64Array} signal
 * @param {{startS?: number|null, endS?: number|null, excluded?: Uint8Array|null,
 *          needed: number, centred: boolean}} choice
 * @returns {Window | Refusal}
 */
export function cutWindow(timeS, signal, { startS, endS, excluded, needed, centred }) {
  if (!timeS.length) return new Refusal("empty", "the trace is empty");
  const first = startS ?? timeS[0], last = endS ?? Infinity;
  const [roomT, roomY] = workspace("window", 2, timeS.length);
  let count = 0;
  for (let i = 0; i < timeS.length; i++) {
    if (!(timeS[i] >= first && timeS[i] <= last) || (excluded && excluded[i])) continue;
    roomT[count] = timeS[i];
    roomY[count++] = signal[i];
  }
  if (count < needed) {
    const found = count === 1 ? "1 point" : `${count} points`;
    return new Refusal("too few points", `${found} in the window, at least ${needed} are needed`);
  }
  const time = roomT.subarray(0, count), values = roomY.subarray(0, count), lengthS = time[count - 1] - first;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    time[i] = (time[i] - first) / lengthS;
    sum += values[i];
    if (i && !(time[i] > time[i - 1])) {
      return new Refusal("times not increasing", "times repeat or run backwards");
    }
  }
  const centre = centred ? sum / count : 0;
  return scaleSignal({ time, values, source: signal, centre, first, lengthS });
}

function scaleSignal({ time, values, source, centre, first, lengthS }) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!(Math.abs(value) < LARGEST_NUMBER)) {
      return new Refusal("not finite", `the signal holds ${value}, no usable number`);
    }
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (high - low <= ROUNDING * Math.max(Math.abs(low), Math.abs(high))) {
    return new Refusal("constant signal", `the signal is constant (${low.toPrecision(6)})`);
  }
  const unit = Math.max(Math.abs(low - centre), Math.abs(high - centre));
  for (let i = 0; i < values.length; i++) values[i] = (values[i] - centre) / unit;
  let fastest = FASTEST_EXPONENT / (time[2] - time[0]);
  // With a start far before the first point nothing is left of a fast exponential.
  if (time[0] > 0) fastest = Math.min(fastest, 600 / time[0]);
  return { time, signal: values, source, startS: first, lengthS, centre, unit, fastest };
}

/**
 * Block means of a window: blocks grow with the distance from the start, so that a decay of any
 * rate is resolved where it happens.
 * @param {Window} window
 * @returns {{time: Float64Array, signal: Float64Array, root: Float64Array}}  `root` holds the
 *   square roots of the numbers of points.
 */
export function blockMeans({ time, signal }) {
  const n = time.length;
  if (n <= SMALLEST_COMPRESSED) {
    return { time, signal, root: new Float64Array(n).fill(1) };
  }
  const starts = blockStarts(time);
  const blocks = {
    time: new Float64Array(starts.length),
    signal: new Float64Array(starts.length),
    root: new Float64Array(starts.length),
  };
  starts.forEach((from, b) => {
    const to = b + 1 < starts.length ? starts[b + 1] : n;
    let t = 0, y = 0;
    for (let i = from; i < to; i++) {
      t += time[i];
      y += signal[i];
    }
    blocks.time[b] = t / (to - from);
    blocks.signal[b] = y / (to - from);
    blocks.root[b] = Math.sqrt(to - from);
  });
  return blocks;
}

/** First index of every block that is not empty. */
function blockStarts(time) {
  const step = Math.max(time[1] - time[0], 1e-9);
  const growing = Math.floor(Math.log(1 / step) / Math.log(GROWTH));
  const edges = [
    ...Array.from({ length: UNIFORM_BLOCKS }, (_, i) => i / UNIFORM_BLOCKS),
    ...Array.from({ length: growing }, (_, i) => step * GROWTH ** i),
  ].sort((a, b) => a - b);
  const starts = [];
  let at = 0;
  for (const edge of edges) {
    const from = time[0] + (1 - time[0]) * edge;
    while (at < time.length && time[at] < from) at++;
    if (at < time.length && starts[starts.length - 1] !== at) starts.push(at);
  }
  return starts;
}
