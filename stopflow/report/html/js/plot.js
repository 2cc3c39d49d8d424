/** A plot on a canvas: axes and layers in the colours of the style sheet. */

import { element } from "./element.js";
import { paintAxes, paintLayers } from "./paint.js";
import { makeScale } from "./scale.js";

const MARGIN = { left: 62, right: 12, top: 10, bottom: 36 };

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

/**
 * @typedef {object} PlotState
 * @property {Layer[]} layers      Painted once, and kept while this same array, the ranges and the
 *   size stay.
 * @property {Layer[]} [under]     Painted at every call of `show`, below the axes and `layers`.
 * @property {Layer[]} [over]      The same, above them.
 * @property {[number, number]} x
 * @property {[number, number]} y
 * @property {boolean} [log]
 * @property {boolean} [logY]
 * @property {string} xLabel
 * @property {string} yLabel
 * @property {string} [description]
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
    this.picture = element("canvas");
    Object.assign(this, { host, ticks, state: null, painted: null });
    // The width is noted when it changes: asking for it lays the page out.
    this.frame = { width: 0, height, margin: { ...MARGIN, bottom: ticks ? MARGIN.bottom : 8 }, ticks };
    host.append(this.canvas);
    new ResizeObserver(() => this.draw()).observe(host);
  }

  /** @param {PlotState} state */
  show(state) {
    if (state.description && state.description !== this.state?.description) {
      this.canvas.setAttribute("aria-label", state.description);
    }
    this.state = state;
    if (this.frame.width) this.#paint();
    else this.draw();
  }

  /** The scales of the plot as it stands. */
  scales() {
    const { width, height, margin: { left, right, top, bottom } } = this.frame;
    return {
      x: makeScale(this.state.x, [left, Math.max(width - right, left + 1)], this.state.log),
      y: makeScale(this.state.y, [height - bottom, top], this.state.logY),
    };
  }

  /** Draws everything again: the size or the colours may have changed. */
  draw() {
    const width = this.host.clientWidth;
    if (!this.state || !width) return;
    this.frame.width = width;
    this.ratio = window.devicePixelRatio || 1;
    const style = getComputedStyle(document.documentElement), known = new Map();
    this.colour = (name) => {
      if (!known.has(name)) known.set(name, style.getPropertyValue(name).trim());
      return known.get(name);
    };
    this.canvas.style.width = `${width}px`;
    this.painted = null;
    this.#paint();
  }

  #paint() {
    const { state, frame } = this, scales = this.scales();
    const moving = state.under || state.over;
    if (moving && !(this.painted && samePicture(this.painted, state))) {
      this.#paintStill(this.#open(this.picture), scales);
      this.painted = state;
    }
    const pen = this.#open(this.canvas);
    if (!moving) return this.#paintStill(pen, scales);
    paintLayers(pen, state.under ?? [], scales, frame, this.colour);
    pen.drawImage(this.picture, 0, 0, this.picture.width / this.ratio, this.picture.height / this.ratio);
    paintLayers(pen, state.over ?? [], scales, frame, this.colour);
  }

  #paintStill(pen, scales) {
    const { layers, xLabel, yLabel } = this.state;
    paintAxes(pen, scales, this.frame, { xLabel, yLabel, colour: this.colour });
    paintLayers(pen, layers, scales, this.frame, this.colour);
  }

  /** The pen of an empty canvas in pixels of the style sheet. */
  #open(canvas) {
    const width = Math.round(this.frame.width * this.ratio), height = Math.round(this.frame.height * this.ratio);
    // A canvas that is given a size, even its own, is made anew.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const pen = canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.frame.width, this.frame.height);
    return pen;
  }
}

function samePicture(before, after) {
  const same = (key) => before[key] === after[key];
  const equal = (key) => before[key][0] === after[key][0] && before[key][1] === after[key][1];
  return ["layers", "log", "logY", "xLabel", "yLabel"].every(same) && ["x", "y"].every(equal);
}
