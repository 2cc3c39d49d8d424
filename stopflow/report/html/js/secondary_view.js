/** The plots of k against concentration or temperature, with the reader's own line beside. */

import { element } from "./element.js";
import { keyOf } from "./key.js";
import { countThings, formatPm } from "./format.js";
import { Chart } from "./plot.js";
import { spanOf } from "./scale.js";
import { counts } from "./refits.js";
import { canRefit, placeShot, refitPlot } from "./secondary.js";
import { Tip } from "./tip.js";

/**
 * @param {HTMLElement} host
 * @param {object} lab
 * @param {{refits: import("./refits.js").Refits, openShot: (shot: object) => void}} options
 * @returns {{refresh: () => void, draw: () => void}}  After a change of numbers, and of colours.
 */
export function showPlots(host, lab, { refits, openShot }) {
  const grid = element("div", { class: "plots" });
  host.append(grid);
  const views = lab.plots.map((plot) => new PlotView(grid, plot, { lab, refits, openShot }));
  if (!views.length) {
    host.append(element("p", { class: "quiet" },
      "No plot: it takes three values of a concentration or a temperature at otherwise equal conditions."));
  }
  return { refresh: () => views.forEach((view) => view.refresh()), draw: () => views.forEach(({ chart }) => chart.draw()) };
}

/** Dashes of curves that were tried and not taken. */
const NOT_TAKEN = [[2, 3], [8, 4], [8, 3, 2, 3]];

class PlotView {
  constructor(grid, plot, { lab, refits, openShot }) {
    Object.assign(this, { plot, lab, refits, openShot });
    this.note = element("p", { class: "parameters" });
    this.yours = element("p", { class: "parameters yours" });
    this.key = element("div");
    const stage = element("div", { class: "stage" });
    const figure = element("figure", {}, element("figcaption", {}, plot.title), stage, this.key, this.note, this.yours);
    grid.append(figure);
    this.chart = new Chart(stage, { height: 240, label: plot.title });
    new Tip(stage, this.chart, {
      groups: () => [plot], say: (_, at) => this.#say(at), open: (_, at) => this.#open(at),
    });
    this.note.textContent = plot.parameters.length
      ? sayParameters(plot.parameters, plot)
      : ["no model was taken", plot.remark].filter(Boolean).join(": ");
    this.refresh();
  }

  /** Draws stopflow's points and curves, and the reader's where a shot was changed. */
  refresh() {
    const { plot, lab, refits } = this;
    const changed = plot.members.some((member) => {
      const shots = lab.conditions[member].shots_of;
      return shots.some((shot) => refits.of(shot) || !refits.edits.of(shot.index).use);
    });
    const own = changed ? refitPlot(plot, lab.conditions, (row) => refits.ratesOf(row), lab.scatter) : null;
    const layers = [];
    let rejected = 0;
    for (const curve of plot.curves) {
      if (curve.low && curve.chosen) layers.push({ type: "band", x: plot.curveX, low: curve.low, high: curve.high, colour: "--fit", alpha: 0.15 });
      const style = curve.chosen ? { name: curve.name, colour: "--fit" } : {
        name: `${curve.name}, not taken`, colour: "--muted", dash: NOT_TAKEN[rejected++ % NOT_TAKEN.length],
      };
      layers.push({ type: "line", x: plot.curveX, y: curve.y, width: 1.5, ...style });
    }
    layers.push({ type: "points", x: plot.x, y: plot.y, low: plot.low, high: plot.high, colour: "--trace", radius: 4, name: "mean, 95 % interval" });
    if (own) {
      const x = plot.curveX;
      layers.push({ type: "line", x, y: x.map(own.curve), colour: "--yours", width: 2, name: "yours" });
      layers.push({ type: "points", colour: "--yours", radius: 6, hollow: true, width: 2, ...columnsOf(own.points) });
    }
    const fresh = lab.shots.filter((shot) => shot.fresh && counts(shot))
      .map((shot) => placeShot(plot, lab.conditions, shot)).filter(Boolean);
    if (fresh.length) {
      layers.push({ type: "points", ...columnsOf(fresh), colour: "--ink", radius: 6, hollow: true, width: 2, name: "new shot, not yet in a mean" });
    }
    this.key.replaceChildren(keyOf(layers));
    this.yours.textContent = own
      ? `Yours: ${sayParameters(own.parameters, plot)}`
      : changed ? sayMissing(plot) : "";
    const xs = [plot.x, plot.curveX, columnsOf(fresh).x];
    const ys = [plot.y, plot.low, plot.high, ...plot.curves.filter(({ chosen }) => chosen).map(({ y }) => y), columnsOf([...(own?.points ?? []), ...fresh]).y];
    this.chart.show({
      layers, x: spanOf(xs, 0.02) ?? [0, 1], y: spanOf(ys.map(numbersOnly)) ?? [0, 1],
      xLabel: plot.xLabel, yLabel: plot.yLabel,
      description: `${plot.title}: ${plot.y.length} points of ${plot.yLabel} against ${plot.xLabel}. ` +
        `${this.note.textContent}. ${this.yours.textContent}${fresh.length ? ` ${countThings(fresh.length, "new shot")}.` : ""}`,
    });
  }

  #say(at) {
    const row = this.lab.conditions[this.plot.members[at]];
    if (!row) return "";
    return `${row.label}: k = ${formatPm(row.k_per_s, row.k_stderr_per_s)} s⁻¹ (${row.fitted} of ${row.shots} shots, ${row.verdict})`;
  }

  #open(at) {
    const row = this.lab.conditions[this.plot.members[at]];
    if (row?.shots_of.length) this.openShot(row.shots_of[0]);
  }
}

/** Points as a layer has them. */
function columnsOf(points) {
  return Object.fromEntries(["x", "y", "low", "high"].map((name) => [name, points.map((point) => point[name])]));
}

function sayMissing(plot) {
  return canRefit(plot)
    ? "Yours: too few conditions are left for this plot."
    : "Yours: this plot is fitted again by the next ingest, not in the page.";
}

function numbersOnly(values) {
  return values.map((value) => (typeof value === "number" ? value : NaN));
}

/** Concentrations are in the unit of the axis. */
function sayParameters(parameters, { factor, xLabel }) {
  const say = ({ name, value, stderr, unit }) => {
    const [scale, shown] = unit === "M" ? [factor, xLabel.split(" / ").at(-1)] : [1, unit];
    const text = `${name} = ${formatPm(scale * value, scale * (stderr ?? NaN))} ${shown}`.trim();
    return text.replaceAll(" ", "\u00a0");  // A line ends between parameters.
  };
  return parameters.map(say).join(", ");
}
