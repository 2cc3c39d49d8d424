/** Axes: from numbers to pixels and back, and where the ticks stand. */

/**
 * @typedef {object} Scale
 * @property {(value: number) => number} at      Pixel of a value.
 * @property {(pixel: number) => number} value   Value at a pixel.
 * @property {boolean} log
 * @property {[number, number]} domain
 */

/** @param {[number, number]} domain @param {[number, number]} range @returns {Scale} */
export function makeScale(domain, range, log = false) {
  const f = log ? Math.log : (v) => v, back = log ? Math.exp : (v) => v;
  const low = f(domain[0]), span = f(domain[1]) - low || 1;
  const size = range[1] - range[0];
  return {
    at: (value) => range[0] + ((f(value) - low) / span) * size,
    value: (pixel) => back(low + ((pixel - range[0]) / size) * span),
    log,
    domain,
  };
}

const MOST_TICKS = 20;

/** Ticks at round numbers: {value, label}. */
export function ticksOf(scale, wanted) {
  return scale.log ? logTicks(scale.domain, wanted) : linearTicks(scale.domain, wanted);
}

function linearTicks([low, high], wanted) {
  const rough = (high - low) / Math.max(wanted, 1);
  if (!(rough > 0)) return [{ value: low, label: shortLabel(low, 0) }];
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough * 0.999);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high * (1 + 1e-12) + 1e-300; n++) {
    if (n * step <= high + step * 1e-9) ticks.push({ value: n * step, label: shortLabel(n * step, decimals) });
    if (ticks.length > 50) break;
  }
  // A single tick gives no scale.
  return ticks.length < 2 && wanted < MOST_TICKS ? linearTicks([low, high], wanted + 1) : ticks;
}

function logTicks([low, high], wanted) {
  const decades = Math.log10(high / low);
  const factors = decades > wanted ? [1] : decades > wanted / 3 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / Math.max(wanted, 1)));
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    if (factors.length === 1 && e % every) continue;
    for (const factor of factors) {
      const value = factor * 10 ** e;
      if (value >= low * 0.999999 && value <= high * 1.000001) {
        ticks.push({ value, label: shortLabel(value, Math.max(0, -e)) });
      }
    }
  }
  return ticks.length > 1 ? ticks : linearTicks([low, high], wanted);
}

function shortLabel(value, decimals) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) {
    return value.toExponential(1).replace(".0", "").replace("e+", "e").replace("-", "−");
  }
  return value.toFixed(Math.min(decimals, 8)).replace("-", "−");
}

/** The least and the largest finite number of arrays; null where there is none. */
export function extentOf(arrays) {
  let low = Infinity, high = -Infinity;
  for (const values of arrays) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value < low && value > -Infinity) low = value;
      if (value > high && value < Infinity) high = value;
    }
  }
  return low > high ? null : [low, high];
}

/** The range of numbers with a margin, never empty; null where there is none. */
export function spanOf(arrays, margin = 0.05) {
  const extent = extentOf(arrays);
  if (!extent) return null;
  const [low, high] = extent, room = (high - low) * margin || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}
