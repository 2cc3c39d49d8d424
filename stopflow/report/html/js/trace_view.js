/** One shot: trace, fits, residuals on the same axis, k against the cut, replicates faint. */

import { element } from "./element.js";
import { evaluate, LAWS } from "./laws.js";
import { predict } from "./fit.js";
import { Chart, firstFrom } from "./plot.js";
import { spanOf } from "./scale.js";
import { WindowHandles } from "./window_handles.js";

const CURVE_POINTS = 500;
const MOST_REPLICATES = 12;
const LONG_S = 2;

export class TraceView {
  /**
   * @param {HTMLElement} host
   * @param {object} lab
   * @param {{moved: (which: "start"|"end", timeS: number) => void, done: () => void}} listeners
   */
  constructor(host, lab, listeners) {
    Object.assign(this, { lab, listeners, shot: null, trace: null, view: null, log: false, others: [] });
    const stage = element("div", { class: "stage" }), below = element("div", { class: "stage" });
    this.cutHost = element("figure", {}, element("figcaption", {}, "k against the cut"));
    host.append(this.#tools(), stage, below, this.cutHost);
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
   * @param {{stopflow: object|null, yours: object|null, startS: number, endS: number}} fits
   */
  draw(fits) {
    this.fits = fits;
    if (!this.trace || !fits) return;
    const seen = this.trace.signal ? { time: this.trace.time, signal: this.trace.signal } : this.trace.thin;
    const x = this.#x(seen.time), domain = this.#domain(), log = this.log;
    const first = Math.max(firstFrom(x, domain[0]) - 1, 0), stop = firstFrom(x, domain[1]) + 1;
    const curves = this.#curves(fits, domain), shades = this.#shades(fits);
    const layers = [
      ...shades,
      ...this.others.map(({ thin }) => ({ type: "line", x: this.#x(thin.time), y: thin.signal, colour: "--trace", alpha: 0.18 })),
      { type: "line", x, y: seen.signal, colour: "--trace" },
      ...curves,
    ];
    const unit = this.lab.signalUnit, xLabel = `time / ${this.unit}`;
    this.main.show({
      layers, x: domain, log, xLabel, yLabel: `signal / ${unit}`,
      y: spanOf([seen.signal.subarray(first, stop), ...curves.map((curve) => curve.y)]) ?? [0, 1],
      description: `Trace of ${this.shot.file}: ${this.trace.time.length} points, signal in ${unit} against time in ${this.unit}`,
    });
    const residuals = this.#residuals(fits, seen, x);
    this.rest.show({
      layers: [...shades, { type: "rule", at: 0, colour: "--muted" }, ...residuals], x: domain, log, xLabel,
      yLabel: `residual / ${unit}`,
      y: spanOf(residuals.map((layer) => layer.y.subarray(firstFrom(layer.x, domain[0]), firstFrom(layer.x, domain[1])))) ?? [-1, 1],
      description: "Residuals of the fits on the same axis of time",
    });
    this.#drawCuts(fits);
    this.#placeHandles();
  }

  #shades({ startS, endS }) {
    const [start, end] = this.#x([startS, endS]);
    return [
      { type: "shade", from: -1e300, to: start, colour: "--cut", alpha: 0.5 },
      { type: "shade", from: end, to: 1e300, colour: "--cut", alpha: 0.5 },
    ];
  }

  /** Both fits from their starts on, densest where they are steep. */
  #curves({ stopflow, yours }, domain) {
    return [[stopflow, "--fit", [6, 3]], [yours, "--yours", []]]
      .filter(([fit]) => fit?.ok)
      .map(([fit, colour, dash]) => {
        const from = Math.max(fit.startS, this.#timeOf(domain[0]));
        const to = Math.min(fit.startS + fit.windowS, this.#timeOf(domain[1])), span = Math.max(to - from, 0);
        const time = Float64Array.from({ length: CURVE_POINTS }, (_, i) => from + span * (i / (CURVE_POINTS - 1)) ** 3);
        return { type: "line", x: this.#x(time), y: time.map((t) => predict(fit, t)), colour, dash, width: 2 };
      });
  }

  #residuals({ stopflow, yours }, seen, x) {
    return [[stopflow, "--fit", 0.6], [yours, "--yours", 0.8]]
      .filter(([fit]) => fit?.ok)
      .map(([fit, colour, alpha]) => {
        const first = firstFrom(seen.time, fit.startS);
        const stop = firstFrom(seen.time, fit.startS + fit.windowS * (1 + 1e-12));
        const y = new Float64Array(Math.max(stop - first, 0));
        for (let i = first; i < stop; i++) y[i - first] = seen.signal[i] - predict(fit, seen.time[i]);
        return { type: "line", x: x.subarray(first, stop), y, colour, alpha };
      });
  }

  #drawCuts({ stopflow, startS }) {
    const { cuts } = this.trace;
    this.cutHost.hidden = !cuts;
    if (!cuts) return;
    const known = [...cuts.k.keys()].filter((i) => Number.isFinite(cuts.k[i]));
    const pick = (values) => Float64Array.from(known, (i) => values[i]);
    const x = pick(cuts.time).map((t) => t * this.factor), k = pick(cuts.k), error = pick(cuts.error);
    const low = k.map((v, i) => v - error[i]), high = k.map((v, i) => v + error[i]);
    const quoted = stopflow?.ok ? [stopflow.parameters.k_per_s] : [];
    this.cuts.show({
      layers: [
        ...quoted.map((at) => ({ type: "rule", at, colour: "--fit", dash: [6, 3], width: 1.5 })),
        { type: "shade", from: -1e300, to: startS * this.factor, colour: "--cut", alpha: 0.5 },
        { type: "line", x, y: k, colour: "--trace" },
        { type: "points", x, y: k, low, high, colour: "--trace", radius: 2.5 },
      ],
      x: spanOf([x, [startS * this.factor]], 0.03) ?? [0, 1], y: spanOf([trimmed(k), quoted], 0.2) ?? [0, 1],
      xLabel: `start of the fit / ${this.unit}`, yLabel: "k / s⁻¹",
      description: `k for ${known.length} starts of the fit; the dashed line is the k reported`,
    });
  }

  #placeHandles() {
    const usable = Boolean(this.trace.signal);
    this.handles.show(usable);
    if (!usable) return;
    const { x } = this.main.scales(), { time } = this.trace;
    for (const [which, seconds] of [["start", this.fits.startS], ["end", this.fits.endS]]) {
      const [value] = this.#x([seconds]), domain = this.#domain();
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

/** Without the wildest tenth, which would flatten the rest. */
function trimmed(values) {
  const sorted = values.slice().sort(), cut = Math.floor(sorted.length / 10);
  return sorted.subarray(cut, Math.max(sorted.length - cut, cut + 1));
}

/** The fit that the tables hold, for shots whose full trace is not in the file. */
export function tableFit(shot) {
  const law = LAWS[shot.law];
  if (!law || ![...law.rates, ...law.linear].every((name) => Number.isFinite(shot[name]))) return null;
  const parameters = Object.fromEntries([...law.rates, ...law.linear].map((name) => [name, shot[name]]));
  const fit = { ok: true, law: law.key, parameters, startS: shot.start_s, windowS: shot.window_s };
  return Number.isFinite(evaluate(law, parameters, 0)) ? fit : null;
}
