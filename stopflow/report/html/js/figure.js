/** A plot of a report: what Python wrote as layers, a key, and what each point is on hover. */

import { element } from "./element.js";
import { formatDigits } from "./format.js";
import { keyOf } from "./key.js";
import { Chart } from "./plot.js";
import { Tip } from "./tip.js";

const HEIGHT = 320;
const DIGITS = 4;

export class Figure {
  /** @param {HTMLElement} host @param {object} plot  As `stopflow.report.html.parts.plot` writes it. */
  constructor(host, plot) {
    this.plot = plot;
    const stage = element("div", { class: "stage" });
    host.append(element("figure", {}, element("figcaption", {}, plot.title), stage,
      keyOf(plot.layers), plot.note ? element("p", { class: "quiet" }, plot.note) : null));
    this.chart = new Chart(stage, { height: HEIGHT, label: plot.title });
    this.touched = plot.layers.filter((layer) => layer.name && layer.x && layer.y);
    new Tip(stage, this.chart, { groups: () => this.touched, say: (group, at) => this.#say(this.touched[group], at) });
    const { layers, x, y, log, logY, xLabel, yLabel } = plot;
    const counts = this.touched.map((layer) => `${layer.name}: ${layer.x.length} points`);
    this.chart.show({
      layers: layers.map(withGaps), x, y, log, logY, xLabel, yLabel,
      description: `${plot.title}: ${yLabel} against ${xLabel}. ${counts.join("; ")}. ${plot.note}`,
    });
  }

  #say(layer, at) {
    const { xLabel, yLabel } = this.plot, value = (label, number) => `${label}: ${formatDigits(number, DIGITS)}`;
    return [[layer.name, layer.labels?.[at]].filter(Boolean).join(" · "), value(xLabel, layer.x[at]), value(yLabel, layer.y[at])].join("\n");
  }

  draw() {
    this.chart.draw();
  }
}

/** What is missing is no zero. */
function withGaps(layer) {
  const known = (values) => values?.map((value) => value ?? NaN);
  return { ...layer, x: known(layer.x), y: known(layer.y), low: known(layer.low), high: known(layer.high) };
}
