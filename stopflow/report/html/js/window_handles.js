/** Two handles on a plot: where the fit starts and ends. They are sliders for the keyboard too. */

import { element } from "./element.js";

const BIG_STEP = 10;

export class WindowHandles {
  /**
   * @param {HTMLElement} stage  Around the canvas.
   * @param {{move: (which: "start"|"end", pixel: number) => void,
   *          step: (which: "start"|"end", points: number) => void, done: () => void}} listeners
   */
  constructor(stage, listeners) {
    Object.assign(this, { listeners, waiting: null, placed: {} });
    this.handles = { start: this.#handle("start", "Start of the fit"), end: this.#handle("end", "End of the fit") };
    stage.append(this.handles.start, this.handles.end);
  }

  #handle(which, label) {
    const node = element("div", {
      class: `handle ${which}`, role: "slider", tabIndex: 0, "aria-label": label,
      onkeydown: (event) => this.#key(which, event),
      onpointerdown: (event) => {
        event.preventDefault();
        node.setPointerCapture(event.pointerId);
        node.focus();
      },
      onpointermove: (event) => {
        if (!node.hasPointerCapture(event.pointerId)) return;
        this.#moveSoon(which, event.clientX);
      },
      onlostpointercapture: () => {
        this.#moveNow();
        this.listeners.done();
      },
    });
    return node;
  }

  /** Of several events before a frame the last one counts. */
  #moveSoon(which, clientX) {
    if (!this.waiting) requestAnimationFrame(() => this.#moveNow());
    this.waiting = { which, clientX };
  }

  #moveNow() {
    if (!this.waiting) return;
    const { which, clientX } = this.waiting;
    this.waiting = null;
    this.listeners.move(which, clientX - this.handles[which].parentElement.getBoundingClientRect().left);
  }

  #key(which, event) {
    const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const pages = { PageUp: BIG_STEP ** 2, PageDown: -(BIG_STEP ** 2) }[event.key];
    if (!sign && !pages) return;
    event.preventDefault();
    event.stopPropagation();
    this.listeners.step(which, pages ?? sign * (event.shiftKey ? BIG_STEP : 1));
    this.listeners.done();
  }

  /** Puts the handles where the window is; times outside the plot hide their handle. */
  place(which, { pixel, inside, value, low, high, text }) {
    const node = this.handles[which], now = [pixel, inside, value, low, high, text].join();
    if (this.placed[which] === now && !node.hidden === inside) return;
    this.placed[which] = now;
    node.hidden = !inside;
    node.style.left = `${pixel}px`;
    node.setAttribute("aria-valuenow", String(value));
    node.setAttribute("aria-valuemin", String(low));
    node.setAttribute("aria-valuemax", String(high));
    node.setAttribute("aria-valuetext", text);
  }

  /** @param {boolean} shown */
  show(shown) {
    if (!shown) for (const node of Object.values(this.handles)) node.hidden = true;
  }
}
