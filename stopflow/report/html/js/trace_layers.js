/** The layers of the trace view: curves, residuals, what lies outside the window, k against the cut. */

import { evaluate, LAWS } from "./laws.js";
import { firstFrom, seenRange } from "./paint.js";
import { spanOf } from "./scale.js";

const CURVE_POINTS = 500;
const FAR = 1e300;
/** A window ends at a point of the trace, but for rounding. */
const PAST_END = 1 + 1e-12;

/** Signal of a fit at times in seconds of the trace. @returns {Float64Array} */
export function predict(fit, timeS) {
  return evaluate(LAWS[fit.law], fit.parameters, timeS, fit.startS);
}

/** The fit that the tables hold, for shots whose full trace is not in the file. */
export function tableFit(shot) {
  const law = LAWS[shot.law];
  if (!law || ![...law.rates, ...law.linear].every((name) => Number.isFinite(shot[name]))) return null;
  const parameters = Object.fromEntries([...law.rates, ...law.linear].map((name) => [name, shot[name]]));
  return { ok: true, law: law.key, parameters, startS: shot.start_s, windowS: shot.window_s };
}

/** What lies before and after the window, in x. */
export function outsideLayers(start, end) {
  return [[-FAR, start], [end, FAR]].map(([from, to]) => ({ type: "shade", from, to, colour: "--cut", alpha: 0.5 }));
}

/**
 * A fit from its start on, densest where it is steep.
 * @param {object} fit
 * @param {[number, number]} seenS  The times that are seen.
 * @param {(timeS: Float64Array) => Float64Array} toX
 */
export function curveLayer(fit, [first, last], toX, style) {
  const from = Math.max(fit.startS, first), span = Math.max(Math.min(fit.startS + fit.windowS, last) - from, 0);
  const time = new Float64Array(CURVE_POINTS);
  for (let i = 0; i < CURVE_POINTS; i++) time[i] = from + span * (i / (CURVE_POINTS - 1)) ** 3;
  return { type: "line", x: toX(time), y: predict(fit, time), width: 2, ...style };
}

/**
 * Signal less fit, inside the window of the fit.
 * @param {object} fit
 * @param {{time: Float64Array, signal: Float64Array, x: Float64Array}} points
 */
export function residualLayer(fit, { time, signal, x }, style) {
  const first = firstFrom(time, fit.startS), stop = firstFrom(time, fit.startS + fit.windowS * PAST_END);
  const y = predict(fit, time.subarray(first, stop));
  for (let i = first; i < stop; i++) y[i - first] = signal[i] - y[i - first];
  return { type: "line", x: x.subarray(first, stop), y, ...style };
}

/** The points that a dense line shows: the lowest and the highest of every column of pixels. */
export function extremesOf({ time, signal, x }, scale) {
  const [first, stop] = seenRange(x, scale.domain), kept = [];
  let column = NaN, low = first, high = first;
  const keep = () => kept.push(...(low === high ? [low] : [Math.min(low, high), Math.max(low, high)]));
  for (let i = first; i < stop; i++) {
    const here = Math.round(scale.at(x[i]));
    if (here !== column) {
      if (column === column) keep();
      column = here;
      low = high = i;
    } else if (signal[i] < signal[low]) low = i;
    else if (signal[i] > signal[high]) high = i;
  }
  if (column === column) keep();
  const pick = (values) => Float64Array.from(kept, (i) => values[i]);
  return { time: pick(time), signal: pick(signal), x: pick(x) };
}

/** The ranges of layers of lines together, as far as their points lie in a domain of x. */
export function rangeOf(layers, [low, high]) {
  return spanOf(layers.map(({ x, y }) => y.subarray(firstFrom(x, low), firstFrom(x, high))));
}

/** k against the cut: its layers, and the ranges that hold them and the k reported. */
export function cutPlot({ time, k, error }, reported, factor) {
  const known = [...k.keys()].filter((i) => Number.isFinite(k[i]));
  const pick = (values) => Float64Array.from(known, (i) => values[i]);
  const x = pick(time).map((t) => t * factor), y = pick(k), spread = pick(error);
  const low = y.map((v, i) => v - spread[i]), high = y.map((v, i) => v + spread[i]);
  return {
    layers: [
      ...reported.map((at) => ({ type: "rule", at, colour: "--fit", dash: [6, 3], width: 1.5 })),
      { type: "line", x, y, colour: "--trace" },
      { type: "points", x, y, low, high, colour: "--trace", radius: 2.5 },
    ],
    x, y: spanOf([withoutWildest(y), reported], 0.2) ?? [0, 1], 
    description: `k for ${known.length} starts of the fit${reported.length ? "; the dashed line is the k reported" : ""}`,
  };
}

/** Without the wildest tenth, which would flatten the rest. */
function withoutWildest(values) {
  const sorted = values.slice().sort(), cut = Math.floor(sorted.length / 10);
  return sorted.subarray(cut, Math.max(sorted.length - cut, cut + 1));
}
