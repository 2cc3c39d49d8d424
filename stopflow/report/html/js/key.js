/** The key of a plot: what its lines, points and bands are. */

import { element } from "./element.js";

/** The key of the layers that have a name, one entry a name. @returns {HTMLElement} */
export function keyOf(layers) {
  const named = new Map(layers.filter((layer) => layer.name).map((layer) => [layer.name, layer]));
  return element("ul", { class: "key" }, ...[...named.values()].map(entryOf));
}

function entryOf(layer) {
  const swatch = element("span", { class: `swatch ${layer.type}`, "aria-hidden": "true" });
  swatch.style.color = `var(${layer.colour})`;
  if (layer.alpha && layer.type !== "band") swatch.style.opacity = layer.alpha;
  if (layer.hollow) swatch.classList.add("hollow");
  if (layer.dash?.length) swatch.classList.add(layer.dash[0] < 3 ? "dotted" : "dashed");
  return element("li", {}, swatch, layer.name);
}
