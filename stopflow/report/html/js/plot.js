/** A plot on a canvas: axes and layers in the colours of the style sheet. */

import { element } from "./element.js";
import { makeScale, ticksOf } from "./scale.js";

const MARGIN = { left: 62, right: 12, top: 10, bottom: 36 };
const DENSE = 4;

/**
 * @typedef {object} Layer
 * @property {"line"|"points"|"band"|"shade"|"rule"} type
 * @property {ArrayLike<number>} [x]
 * @property {ArrayLike<number>} [y]
 * @property {ArrayLike<number>} [low]
 * @property {ArrayLike<number>} [high]
 * @property {string} colour       Name of a custom property, e.g. ``--fit``.
 * @property {number} [alpha]
 * @property {number} [width]
 * @property {number[]} [dash]
 * @property {number} [radius]
 * @property {boolean} [hollow]
 * @property {number} [from]  Of a shade, in x; a rule stands at `at`, in y.
 * @property {number} [to]
 * @property {number} [at]
 */

export class Chart {
  /**
   * @param {HTMLElement} host
   * @param {{height: number, label: string, ticks?: boolean}} options  Without `ticks` the x axis
   *   is that of the plot below.
   */
  constructor(host, { height, label, ticks = true }) {
    this.canvas = element("canvas", { role: "img", "aria-label": label, class: "chart" });
    this.canvas.style.height = `${height}px`;
    this.host = host;
    this.height = height;
    this.margin = { ...MARGIN, bottom: ticks ? MARGIN.bottom : 8 };
    this.ticks = ticks;
    this.state = null;
    host.append(this.canvas);
    new ResizeObserver(() => this.draw()).observe(host);
  }

  /**
   * @param {{layers: Layer[], x: [number, number], y: [number, number], log?: boolean, logY?: boolean,
   *          xLabel: string, yLabel: string, description?: string}} state
   */
  show(state) {
    this.state = state;
    if (state.description) this.canvas.setAttribute("aria-label", state.description);
    this.draw();
  }

  /** The scales of the plot as it stands. */
  scales() {
    const { left, right, top, bottom } = this.margin, width = this.canvas.clientWidth;
    return {
      x: makeScale(this.state.x, [left, Math.max(width - right, left + 1)], this.state.log),
      y: makeScale(this.state.y, [this.height - bottom, top], this.state.logY),
    };
  }

  draw() {
    const width = this.host.clientWidth;
    if (!this.state || !width) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.width = `${width}px`;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, this.height);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const scales = this.scales();
    this.#axes(pen, scales, { width, colour });
    const { left, right, top, bottom } = this.margin;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width - left - right, this.height - top - bottom);
    pen.clip();
    for (const layer of this.state.layers) {
      pen.globalAlpha = layer.alpha ?? 1;
      pen.strokeStyle = pen.fillStyle = colour(layer.colour);
      pen.lineWidth = layer.width ?? 1;
      pen.setLineDash(layer.dash ?? []);
      PAINTERS[layer.type](pen, layer, scales, this);
    }
    pen.restore();
  }

  #axes(pen, { x, y }, { width, colour }) {
    const { left, right, top, bottom } = this.margin;
    const floor = this.height - bottom, end = width - right;
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
      if (!this.ticks || at - half < free || at + half > width) continue;
      pen.fillText(tick.label, at, floor + 5);
      free = at + half + 6;
    }
    pen.fillStyle = colour("--ink");
    if (this.ticks) {
      pen.textBaseline = "bottom";
      pen.fillText(this.state.xLabel, (left + end) / 2, this.height - 1);
    }
    pen.save();
    pen.translate(12, (top + floor) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textBaseline = "middle";
    pen.fillText(this.state.yLabel, 0, 0);
    pen.restore();
  }
}

function stroke(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

const PAINTERS = { line: paintLine, points: paintPoints, band: paintBand, shade: paintShade, rule: paintRule };

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

/** Lines denser than the pixels are drawn by the extremes of each pixel column. */
function paintLine(pen, layer, { x, y }) {
  const first = Math.max(firstFrom(layer.x, x.domain[0]) - 1, 0);
  const stop = Math.min(firstFrom(layer.x, x.domain[1]) + 1, layer.x.length);
  const columns = Math.abs(x.at(x.domain[1]) - x.at(x.domain[0]));
  pen.beginPath();
  if (stop - first <= DENSE * columns) {
    for (let i = first; i < stop; i++) pen.lineTo(x.at(layer.x[i]), y.at(layer.y[i]));
  } else {
    let column = NaN, low = 0, high = 0, last = 0;
    for (let i = first; i < stop; i++) {
      const here = Math.round(x.at(layer.x[i])), value = layer.y[i];
      if (here !== column) {
        if (column === column) pen.lineTo(column, y.at(last));
        pen.lineTo(here, y.at(value));
        column = here;
        low = high = value;
      } else if (value < low) pen.lineTo(here, y.at((low = value)));
      else if (value > high) pen.lineTo(here, y.at((high = value)));
      last = value;
    }
  }
  pen.stroke();
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

function paintShade(pen, layer, { x }, chart) {
  const left = Math.max(x.at(Math.max(layer.from, x.log ? x.domain[0] : -Infinity)), 0);
  const right = Math.min(x.at(layer.to), chart.canvas.clientWidth);
  if (right > left) pen.fillRect(left, 0, right - left, chart.height);
}

function paintRule(pen, layer, { y }, chart) {
  stroke(pen, 0, y.at(layer.at), chart.canvas.clientWidth, y.at(layer.at));
}
