/** What a plot says about the point under the pointer. */

import { element } from "./element.js";

const CATCH_PX = 14;
const WIDE_PX = 260;

export class Tip {
  /**
   * @param {HTMLElement} stage
   * @param {import("./plot.js").Chart} chart
   * @param {{groups: () => {x: ArrayLike<number>, y: ArrayLike<number>}[],
   *          say: (group: number, at: number) => string, open?: (group: number, at: number) => void}} source
   *   `say` returns "" for a point that there is nothing to say about.
   */
  constructor(stage, chart, { groups, say, open }) {
    Object.assign(this, { chart, groups, say });
    this.box = element("div", { class: "tip", hidden: true });
    stage.append(this.box);
    chart.canvas.addEventListener("pointermove", (event) => this.#hover(event, Boolean(open)));
    chart.canvas.addEventListener("pointerleave", () => (this.box.hidden = true));
    chart.canvas.addEventListener("click", (event) => {
      const found = this.#nearest(event);
      if (found) open?.(...found);
    });
  }

  /** [group, place] of the point that lies nearest, if one is near. */
  #nearest(event) {
    const { x, y } = this.chart.scales();
    let found = null, least = CATCH_PX;
    this.groups().forEach((group, which) => {
      for (let i = 0; i < group.x.length; i++) {
        const distance = Math.hypot(x.at(group.x[i]) - event.offsetX, y.at(group.y[i]) - event.offsetY);
        if (distance < least) [found, least] = [[which, i], distance];
      }
    });
    return found;
  }

  #hover(event, opens) {
    const found = this.#nearest(event), text = found ? this.say(...found) : "";
    this.box.hidden = !text;
    this.chart.canvas.style.cursor = text && opens ? "pointer" : "";
    if (!text) return;
    this.box.textContent = text;
    const room = Math.max(this.chart.canvas.clientWidth - WIDE_PX, 0);
    this.box.style.left = `${Math.min(event.offsetX + 12, room)}px`;
    this.box.style.top = `${event.offsetY + 12}px`;
  }
}
