/** One shot: trace, fits, residuals on the same axis, k against the cut, replicates faint. */

import { element } from "./element.js";
import { keyOf } from "./key.js";
import { firstFrom, seenRange } from "./paint.js";
import { Chart } from "./plot.js";
import { extentOf, spanOf } from "./scale.js";
import { curveLayer, cutPlot, extremesOf, outsideLayers, rangeOf, residualLayer } from "./trace_layers.js";
import { WindowHandles } from "./window_handles.js";

const KEY = [
  { type: "line", name: "recorded", colour: "--trace" },
  { type: "line", name: "replicates", colour: "--trace", alpha: 0.35 },
  { type: "line", name: "stopflow’s fit", colour: "--fit", dash: [6, 3] },
  { type: "line", name: "yours", colour: "--yours" },
];
const MOST_REPLICATES = 12;
const LONG_S = 2;

export class TraceView {
  /**
   * @param {HTMLElement} host
   * @param {object} lab
   * @param {{moved: (which: "start"|"end", timeS: number) => void, done: () => void}} listeners
   */
  constructor(host, lab, listeners) {
    Object.assign(this, {
      lab, listeners, shot: null, trace: null, view: null, log: false, others: [], held: null, restRange: null,
    });
    const stage = element("div", { class: "stage" }), below = element("div", { class: "stage" });
    this.cutHost = element("figure", {}, element("figcaption", {}, "k of one exponential with slope against the start of the fit"));
    host.append(this.#tools(), stage, below, keyOf(KEY), this.cutHost);
    this.main = new Chart(stage, { height: 300, label: "Trace", ticks: false });
    this.rest = new Chart(below, { height: 150, label: "Residuals" });
    this.cuts = new Chart(this.cutHost, { height: 150, label: "k against the cut" });
    this.handles = new WindowHandles(stage, {
      move: (which, pixel) => this.#move(which, this.main.scales().x.value(pixel)),
      step: (which, points) => this.#step(which, points),
      done: listeners.done,
    });
    this.#listen(this.main.canvas);
    new ResizeObserver(() => this.fits && this.#placeHandles()).observe(stage);
  }

  #tools() {
    const button = (text, label, action) =>
      element("button", { type: "button", "aria-label": label, onclick: action }, text);
    this.logBox = element("input", { type: "checkbox", onchange: () => this.#setLog(this.logBox.checked) });
    return element("div", { class: "tools no-print" },
      button("+", "Zoom in", () => this.zoom(0.5)), button("−", "Zoom out", () => this.zoom(2)),
      button("Whole trace", "Show the whole trace", () => this.reset()),
      element("label", {}, this.logBox, " logarithmic time"));
  }

  /** Shows a shot; its trace may be thinned. */
  async open(shot, trace) {
    Object.assign(this, { shot, trace, fits: null, view: null, others: [] });
    const length = trace ? trace.time[trace.time.length - 1] - trace.time[0] : 1;
    this.factor = length < LONG_S ? 1e3 : 1;
    this.unit = length < LONG_S ? "ms" : "s";
    // On a logarithmic axis every time is above 0.
    const first = trace ? trace.time[0] : 0, step = trace && trace.time.length > 1 ? trace.time[1] - first : 1;
    this.offset = first > 0 ? 0 : first - step;
    const replicates = (shot.place?.shots_of ?? []).filter((other) => other !== shot);
    const found = await Promise.all(replicates.slice(0, MOST_REPLICATES)
      .map((other) => this.lab.traces.trace(other.index)));
    if (this.shot === shot) this.others = found.filter(Boolean);
  }

  /** Seconds to the x axis as it stands, and back. */
  #x(time) {
    const shift = this.log ? this.offset : 0;
    return time.map((t) => (t - shift) * this.factor);
  }

  #timeOf(x) {
    return x / this.factor + (this.log ? this.offset : 0);
  }

  #setLog(log) {
    this.log = log;
    this.reset();
  }

  reset() {
    this.view = null;
    this.draw(this.fits);
  }

  /** @param {number} by  Below 1 to see less. @param {number} [centre]  In x. */
  zoom(by, centre) {
    const [low, high] = this.#domain(), f = this.log ? Math.log : (v) => v, back = this.log ? Math.exp : (v) => v;
    const middle = f(centre ?? back((f(low) + f(high)) / 2));
    this.#look([back(middle - (middle - f(low)) * by), back(middle + (f(high) - middle) * by)]);
  }

  #look([low, high]) {
    const [first, last] = this.#whole();
    this.view = [Math.max(low, first), Math.min(high, last)];
    if (!(this.view[1] > this.view[0]) || (this.view[0] === first && this.view[1] === last)) this.view = null;
    this.draw(this.fits);
  }

  #whole() {
    const { time } = this.trace, [low, high] = this.#x([time[0], time[time.length - 1]]);
    const margin = this.log ? 0 : (high - low) * 0.01;
    return [low - margin, high + margin];
  }

  #domain() {
    return this.view ?? this.#whole();
  }

  /**
   * @param {{stopflow: object|null, yours: object|null, startS: number, endS: number, moving?: boolean}} fits
   *   While the window is `moving`, ranges stay and residuals are those of the extremes that show.
   */
  draw(fits) {
    this.fits = fits;
    if (!this.trace || !fits) return;
    const still = this.#still(fits), { domain, log, xLabel } = still, { yours, startS, endS, moving } = fits;
    const under = outsideLayers(...this.#x(Float64Array.of(startS, endS)));
    const curves = yours?.ok ? [curveLayer(yours, still.seenS, (time) => this.#x(time), { colour: "--yours" })] : [];
    const signalUnit = this.shot.signal_unit;
    this.main.show({
      under, layers: still.layers, over: curves, x: domain, log, xLabel, yLabel: `signal / ${signalUnit}`,
      y: widened(still.range, curves), description: still.description,
    });
    const points = moving ? (still.sparse ??= extremesOf(still.points, this.main.scales().x)) : still.points;
    const residuals = yours?.ok ? [residualLayer(yours, points, { colour: "--yours", alpha: 0.8 })] : [];
    const range = rangeOf([...still.residuals, ...residuals], domain) ?? [-1, 1], held = this.restRange;
    const holds = held && held[0] <= range[0] && held[1] >= range[1];
    this.restRange = moving && holds ? held : range;
    this.rest.show({
      under, layers: still.rest, over: residuals, x: domain, log, xLabel, yLabel: `residual / ${signalUnit}`,
      y: this.restRange, description: "Residuals of the fits on the same axis of time",
    });
    this.#drawCuts(still.cuts, startS);
    this.#placeHandles();
  }

  /** Paints all plots again. */
  paint() {
    for (const chart of [this.main, this.rest, this.cuts]) chart.draw();
  }

  /** What stays while the window moves: the trace, stopflow's fit, ranges; made anew when they change. */
  #still({ stopflow }) {
    const { trace, others, log, view, held } = this;
    const made = { trace, others, log, view, stopflow };
    if (held && Object.keys(made).every((key) => held.made[key] === made[key])) return held;
    const domain = this.#domain(), seen = trace.signal ? trace : trace.thin, x = this.#x(seen.time);
    const seenS = domain.map((value) => this.#timeOf(value)), points = { time: seen.time, signal: seen.signal, x };
    const style = { colour: "--fit", dash: [6, 3] };
    const curves = stopflow?.ok ? [curveLayer(stopflow, seenS, (time) => this.#x(time), style)] : [];
    const residuals = stopflow?.ok ? [residualLayer(stopflow, points, { colour: "--fit", alpha: 0.6 })] : [];
    const faint = others.map(({ thin }) => ({ type: "line", x: this.#x(thin.time), y: thin.signal, colour: "--trace", alpha: 0.18 }));
    // The cuts are fitted by one exponential, whatever the rate law of the shot.
    const quoted = stopflow?.ok && ["single", "single-slope"].includes(stopflow.law) ? [stopflow.parameters.k_per_s] : [];
    const [first, stop] = seenRange(x, domain);
    this.held = {
      made, domain, log, seenS, points, residuals,
      xLabel: `time / ${this.unit}`,
      layers: [...faint, { type: "line", x, y: seen.signal, colour: "--trace" }, ...curves],
      range: spanOf([seen.signal.subarray(first, stop), ...curves.map((curve) => curve.y)]) ?? [0, 1],
      rest: [{ type: "rule", at: 0, colour: "--muted" }, ...residuals],
      cuts: trace.cuts ? cutPlot(trace.cuts, quoted, this.factor) : null,
      description: `Trace of ${this.shot.file}: ${trace.time.length} points, signal in ${this.shot.signal_unit} against time in ${this.unit}`,
    };
    return this.held;
  }

  #drawCuts(cuts, startS) {
    this.cutHost.hidden = !cuts;
    if (!cuts) return;
    const start = startS * this.factor;
    this.cuts.show({
      under: outsideLayers(start, Infinity), layers: cuts.layers,
      x: spanOf([cuts.x, [start]], 0.03) ?? [0, 1], y: cuts.y,
      xLabel: `start of the fit / ${this.unit}`, yLabel: "k / s⁻¹",
      description: cuts.description,
    });
  }

  #placeHandles() {
    const usable = Boolean(this.trace.signal);
    this.handles.show(usable);
    if (!usable) return;
    const { x } = this.main.scales(), { time } = this.trace;
    for (const [which, seconds] of [["start", this.fits.startS], ["end", this.fits.endS]]) {
      const [value] = this.#x(Float64Array.of(seconds)), domain = this.#domain();
      this.handles.place(which, {
        pixel: x.at(value), inside: value >= domain[0] && value <= domain[1], value: seconds,
        low: time[0], high: time[time.length - 1], text: `${(seconds * this.factor).toPrecision(6)} ${this.unit}`,
      });
    }
  }

  /** Moves to the nearest point of the trace. */
  #move(which, x) {
    const { time } = this.trace, wanted = this.#timeOf(x);
    let at = Math.min(firstFrom(time, wanted), time.length - 1);
    if (at > 0 && wanted - time[at - 1] < time[at] - wanted) at--;
    this.listeners.moved(which, time[at]);
  }

  #step(which, points) {
    const { time } = this.trace, from = which === "start" ? this.fits.startS : this.fits.endS;
    const at = Math.min(Math.max(firstFrom(time, from) + points, 0), time.length - 1);
    this.listeners.moved(which, time[at]);
  }

  /** Wheel to zoom, drag to pan, double click for the whole. */
  #listen(canvas) {
    canvas.addEventListener("wheel", (event) => {
      if (!this.trace) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.main.scales().x.value(event.offsetX));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.reset());
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held = { pixel: event.offsetX, scales: this.main.scales() };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held || !this.view) return;
      const { x } = held.scales, shift = held.pixel - event.offsetX;
      this.#look(x.domain.map((value) => x.value(x.at(value) + shift)));
    });
    canvas.addEventListener("lostpointercapture", () => (held = null));
  }
}

/** A range that holds curves too. */
function widened([low, high], curves) {
  const [least, most] = extentOf(curves.map((curve) => curve.y)) ?? [low, high];
  return [Math.min(low, least), Math.max(high, most)];
}
