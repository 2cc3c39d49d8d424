/** The strokes of a plot: its axes, and each kind of layer. */

import { ticksOf } from "./scale.js";

/** A line with more points than this in a column of pixels is painted by the extremes of each. */
const DENSE = 1.5;

/**
 * Where a plot stands on its canvas, in pixels of the style sheet.
 * @typedef {{width: number, height: number, margin: {left: number, right: number, top: number, bottom: number},
 *            ticks: boolean}} Frame
 */

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {{x: import("./scale.js").Scale, y: import("./scale.js").Scale}} scales
 * @param {Frame} frame
 * @param {{xLabel: string, yLabel: string, colour: (name: string) => string}} labels
 */
export function paintAxes(pen, { x, y }, { width, height, margin, ticks }, { xLabel, yLabel, colour }) {
  const { left, right, top, bottom } = margin;
  const floor = height - bottom, end = width - right;
  pen.font = "12px system-ui, sans-serif";
  pen.lineWidth = 1;
  pen.setLineDash([]);
  pen.strokeStyle = colour("--grid");
  pen.fillStyle = colour("--muted");
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const tick of ticksOf(y, Math.max(3, Math.floor((floor - top) / 36)))) {
    const at = Math.round(y.at(tick.value)) + 0.5;
    stroke(pen, left, at, end, at);
    pen.fillText(tick.label, left - 6, at);
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  let free = -Infinity;
  for (const tick of ticksOf(x, Math.max(2, Math.floor((end - left) / 80)))) {
    const at = Math.round(x.at(tick.value)) + 0.5, half = pen.measureText(tick.label).width / 2;
    stroke(pen, at, top, at, floor);
    if (!ticks || at - half < free || at + half > width) continue;
    pen.fillText(tick.label, at, floor + 5);
    free = at + half + 6;
  }
  pen.fillStyle = colour("--ink");
  if (ticks) {
    pen.textBaseline = "bottom";
    pen.fillText(xLabel, (left + end) / 2, height - 1);
  }
  pen.save();
  pen.translate(12, (top + floor) / 2);
  pen.rotate(-Math.PI / 2);
  pen.textBaseline = "middle";
  pen.fillText(yLabel, 0, 0);
  pen.restore();
}

/** Paints layers, each above the one before, inside the axes. */
export function paintLayers(pen, layers, scales, frame, colour) {
  const { left, right, top, bottom } = frame.margin;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, frame.width - left - right, frame.height - top - bottom);
  pen.clip();
  for (const layer of layers) {
    pen.globalAlpha = layer.alpha ?? 1;
    pen.strokeStyle = pen.fillStyle = colour(layer.colour);
    pen.lineWidth = layer.width ?? 1;
    pen.setLineDash(layer.dash ?? []);
    PAINTERS[layer.type](pen, layer, scales, frame);
  }
  pen.restore();
}

const PAINTERS = { line: paintLine, points: paintPoints, band: paintBand, shade: paintShade, rule: paintRule };

function stroke(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

/** First index with values[index] >= value; values ascend. */
export function firstFrom(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Indices [first, stop) of the points in a domain, and one more on either side. */
export function seenRange(x, [low, high]) {
  return [Math.max(firstFrom(x, low) - 1, 0), Math.min(firstFrom(x, high) + 1, x.length)];
}

function paintLine(pen, layer, { x, y }) {
  const [first, stop] = seenRange(layer.x, x.domain);
  const columns = Math.abs(x.at(x.domain[1]) - x.at(x.domain[0]));
  if (stop - first > DENSE * columns) return paintColumns(pen, layer, { x, y }, first, stop);
  pen.beginPath();
  for (let i = first; i < stop; i++) pen.lineTo(x.at(layer.x[i]), y.at(layer.y[i]));
  pen.stroke();
}

/** A bar from the lowest to the highest point of every column of pixels, joined to the one before. */
function paintColumns(pen, layer, { x, y }, first, stop) {
  const width = layer.width ?? 1;
  let column = NaN, low = 0, high = 0, last = NaN;
  const bar = () => {
    const top = y.at(high), floor = y.at(low);
    pen.fillRect(column - width / 2, top - width / 2, width, floor - top + width);
  };
  for (let i = first; i < stop; i++) {
    const here = Math.round(x.at(layer.x[i])), value = layer.y[i];
    if (here !== column) {
      if (column === column) bar();
      column = here;
      low = Math.min(value, last === last ? last : value);
      high = Math.max(value, last === last ? last : value);
    } else if (value < low) low = value;
    else if (value > high) high = value;
    last = value;
  }
  if (column === column) bar();
}

function paintPoints(pen, layer, { x, y }) {
  const radius = layer.radius ?? 4;
  for (let i = 0; i < layer.x.length; i++) {
    const px = x.at(layer.x[i]), py = y.at(layer.y[i]);
    if (!Number.isFinite(px + py)) continue;
    if (layer.low && Number.isFinite(layer.low[i] + layer.high[i])) {
      stroke(pen, px, y.at(layer.low[i]), px, y.at(layer.high[i]));
    }
    pen.beginPath();
    pen.arc(px, py, radius, 0, 2 * Math.PI);
    if (layer.hollow) pen.stroke();
    else pen.fill();
  }
}

function paintBand(pen, layer, { x, y }) {
  pen.beginPath();
  for (let i = 0; i < layer.x.length; i++) pen.lineTo(x.at(layer.x[i]), y.at(layer.low[i]));
  for (let i = layer.x.length - 1; i >= 0; i--) pen.lineTo(x.at(layer.x[i]), y.at(layer.high[i]));
  pen.fill();
}

function paintShade(pen, layer, { x }, { width, height }) {
  const left = Math.max(x.at(Math.max(layer.from, x.log ? x.domain[0] : -Infinity)), 0);
  const right = Math.min(x.at(layer.to), width);
  if (right > left) pen.fillRect(left, 0, right - left, height);
}

function paintRule(pen, layer, { y }, { width }) {
  stroke(pen, 0, y.at(layer.at), width, y.at(layer.at));
}
