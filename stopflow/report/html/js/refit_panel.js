/** Beside the trace: what is fitted, what comes out, and how it differs from stopflow's. */

import { element, setText } from "./element.js";
import { formatDigits, formatInterval, formatPm, MISSING, symbolOf } from "./format.js";
import { LAWS } from "./laws.js";

const MISFIT_CHANCE = 1e-4;

export class RefitPanel {
  /**
   * @param {HTMLElement} host
   * @param {{change: (change: object, options?: object) => void}} listeners
   */
  constructor(host, { change }) {
    this.change = change;
    this.law = element("select", { id: "law", onchange: () => change({ law: this.law.value, fixed: {} }) },
      ...Object.values(LAWS).map((law) => element("option", { value: law.key }, law.label)));
    this.start = this.#time("startS");
    this.end = this.#time("endS");
    this.use = element("input", { type: "checkbox", id: "use", onchange: () => change({ use: this.use.checked }) });
    this.note = element("input", {
      type: "text", id: "note", placeholder: "e.g. bubble at 0.4 s", oninput: () => change({ note: this.note.value }, { merge: "note" }),
    });
    this.held = element("div", { class: "held" });
    this.left = element("div", { class: "held" });
    this.leftFrom = element("input", { type: "text", inputMode: "decimal", "aria-label": "Leave out from", size: 7 });
    this.leftTo = element("input", { type: "text", inputMode: "decimal", "aria-label": "Leave out to", size: 7 });
    this.unitLabels = [];
    this.message = element("p", { class: "message", role: "status" });
    this.rows = element("tbody");
    this.table = element("table", { class: "comparison" },
      element("caption", { class: "visually-hidden" }, "The fit of stopflow and yours"),
      element("thead", {}, element("tr", {}, ...["", "stopflow’s", "yours", "change"].map((title) => element("th", { scope: "col" }, title)))),
      this.rows);
    this.form = element("form", { class: "no-print", onsubmit: (event) => event.preventDefault() },
      this.#field("Rate law", "law", this.law),
      this.#field("Start", "startS", this.start, this.#unit(), this.#reset("startS", "start")),
      this.#field("End", "endS", this.end, this.#unit(), this.#reset("endS", "end")),
      element("fieldset", {}, element("legend", {}, "Hold a parameter"), this.held),
      element("fieldset", {}, element("legend", {}, "Leave out a stretch"),
        this.leftFrom, " to ", this.leftTo, " ", this.#unit(), " ",
        element("button", { type: "button", onclick: () => this.#leave() }, "Leave out"), this.left),
      element("p", {}, this.use, element("label", { for: "use" }, " use this shot in means and plots")),
      this.#field("Reason", "note", this.note));
    host.append(this.table, this.message, this.form);
  }

  #unit() {
    const label = element("span", { class: "unit" });
    this.unitLabels.push(label);
    return label;
  }

  #time(name) {
    return element("input", {
      type: "text", inputMode: "decimal", id: name, size: 9,
      onchange: (event) => {
        const value = Number(event.target.value.replace(",", "."));
        if (event.target.value.trim() && Number.isFinite(value)) this.change({ [name]: value / this.factor });
        else this.change({ [name]: null });
      },
    });
  }

  #reset(name, label) {
    return element("button", {
      type: "button", class: "small", "aria-label": `Put the ${label} back`, onclick: () => this.change({ [name]: null }),
    }, "↺");
  }

  #field(label, id, ...parts) {
    return element("p", { class: "field" }, element("label", { for: id }, label), element("span", {}, ...parts));
  }

  #leave() {
    const [from, to] = [this.leftFrom, this.leftTo].map((input) => Number(input.value.replace(",", ".")) / this.factor);
    if (!(to >= from) || !this.leftFrom.value.trim() || !this.leftTo.value.trim()) {
      this.message.textContent = "A stretch needs two times, the first one not the later one.";
      return;
    }
    this.leftFrom.value = this.leftTo.value = "";
    this.change({ left: [...this.edit.left, [from, to]] });
  }

  /**
   * @param {{shot: object, edit: import("./edits.js").Edit, stopflow: object|null, yours: object|null,
   *          choice: object|null, moving: boolean, factor: number, unit: string, kind: string, robust: boolean,
   *          endS: number, signalUnit: string}} state
   */
  show(state) {
    const { edit, choice, factor, unit } = state;
    Object.assign(this, { edit, factor });
    this.unitLabels.forEach((label) => setText(label, ` ${unit}`));
    this.form.hidden = state.kind !== "full";
    this.use.checked = edit.use;
    setUnlessFocused(this.note, edit.note);
    if (choice) {
      this.law.value = choice.law;
      setUnlessFocused(this.start, String(Number(((choice.startS ?? state.startS) * factor).toPrecision(9))));
      setUnlessFocused(this.end, String(Number((state.endS * factor).toPrecision(9))));
      // What is beside a drag waits for its end.
      if (!state.moving) {
        this.#showHeld(state);
        this.#showLeft(state);
      }
    }
    this.#showRows(compareFits(state));
    setText(this.message, sayState(state));
  }

  /** Cells that stay are left alone. */
  #showRows(rows) {
    if (this.rows.children.length !== rows.length) {
      this.rows.replaceChildren(...rows.map((cells) =>
        element("tr", {}, ...cells.map((_, at) => element(at ? "td" : "th", at ? {} : { scope: "row" })))));
    }
    rows.forEach((cells, row) => cells.forEach((cell, at) => setText(this.rows.children[row].children[at], cell)));
  }

  #showHeld({ choice, yours, stopflow, signalUnit }) {
    const law = LAWS[choice.law], fit = yours?.ok ? yours : stopflow;
    this.held.replaceChildren(...[...law.rates, ...law.linear].map((name) => {
      const fixed = this.edit.fixed, on = name in choice.fixed, own = name in fixed || !on;
      const value = on ? choice.fixed[name] : fit?.parameters?.[name];
      const text = element("input", {
        type: "text", inputMode: "decimal", size: 10, disabled: !on || !own, value: value === undefined ? "" : String(Number(value.toPrecision(7))),
        "aria-label": `Value of ${titleOf(name, signalUnit)}`,
        onchange: () => {
          const held = Number(text.value.replace(",", "."));
          if (Number.isFinite(held) && (!law.rates.includes(name) || held > 0)) this.change({ fixed: { ...fixed, [name]: held } });
        },
      });
      const box = element("input", {
        type: "checkbox", checked: on, disabled: !own,
        onchange: () => {
          const { [name]: _, ...rest } = fixed;
          this.change({ fixed: box.checked ? { ...rest, [name]: Number(text.value) || 0 } : rest });
        },
      });
      return element("div", {}, element("label", {}, box, ` ${titleOf(name, signalUnit)}`), text);
    }));
  }

  #showLeft({ edit, factor, unit }) {
    this.left.replaceChildren(...edit.left.map(([from, to], at) =>
      element("div", {}, `${formatDigits(from * factor, 5)} to ${formatDigits(to * factor, 5)} ${unit} `,
        element("button", {
          type: "button", class: "small", onclick: () => this.change({ left: edit.left.filter((_, i) => i !== at) }),
        }, "use again"))));
  }
}

function setUnlessFocused(input, text) {
  if (document.activeElement !== input && input.value !== text) input.value = text;
}

function sayState({ kind, shot, yours, stopflow, robust, edit }) {
  if (kind === "none") return `There is no trace: ${shot.reason || "the file could not be read"}.`;
  if (kind === "thin") {
    return "This file holds the trace thinned: every extreme is there, but a refit needs every point. " +
      "Write the page without --html-light, or of this experiment alone, to refit it.";
  }
  if (yours && !yours.ok) return `No rate: ${yours.reason}.`;
  if (!stopflow?.ok && !yours) return `stopflow gives no rate: ${shot.reason}.`;
  if (!LAWS[shot.law]) {
    return `stopflow fitted the rate law ${shot.law}, which this page does not; a fit here begins with single + slope.`;
  }
  if (robust) return "stopflow fitted with a robust loss; a fit in this page is by least squares.";
  const trying = edit.left.length || Object.keys(edit.fixed).length;
  return trying ? "Held parameters and left-out stretches are for trying: decisions.csv keeps start, end, rate law and use." : "";
}

/** Rows: name, stopflow's, yours, and the change in standard errors of stopflow's. */
function compareFits({ shot, stopflow, yours, signalUnit }) {
  const table = {
    k_per_s: [shot.k_per_s, shot.k_stderr_per_s],
  };
  const base = (name) => table[name] ?? [stopflow?.parameters?.[name] ?? shot[name], stopflow?.stderr?.[name] ?? NaN];
  const own = (name) => (yours?.ok && name in yours.parameters ? [yours.parameters[name], yours.stderr[name]] : null);
  const names = [...new Set([LAWS[stopflow?.law], LAWS[yours?.law]].filter(Boolean).flatMap((law) => [...law.rates, ...law.linear]))];
  const rows = (names.length ? names : ["k_per_s"]).map((name) => {
    const [value, error] = base(name), mine = own(name);
    const shift = mine && error > 0 ? (mine[0] - value) / error : NaN;
    const apart = mine && stopflow?.startS !== yours.startS && countsFromStart(name, yours.law);
    return [
      titleOf(name, signalUnit), Number.isFinite(value) ? formatPm(value, error) : MISSING,
      mine ? formatPm(...mine) : "",
      apart ? "other start" : Number.isFinite(shift) ? `${formatDigits(shift, 2)} SE` : "",
    ];
  });
  const interval = yours?.ok ? formatInterval(...yours.interval.k_per_s, yours.stderr.k_per_s) : "";
  rows.splice(1, 0, ["95 % interval of k", formatInterval(shot.k_low95_per_s, shot.k_high95_per_s, shot.k_stderr_per_s), interval, ""]);
  rows.push(["noise / " + signalUnit, formatDigits(stopflow?.noiseSd ?? shot.noise_sd, 3), yours?.ok ? formatDigits(yours.noiseSd, 3) : "", ""]);
  rows.push(["residuals² / noise²", sayMisfit(stopflow), sayMisfit(yours), ""]);
  rows.push(["points", String(stopflow?.points ?? shot.points ?? ""), yours?.ok ? String(yours.points) : "", ""]);
  return rows;
}

/** A parameter with its unit, as it stands beside its value. */
function titleOf(name, signalUnit) {
  if (name === "beta") return "β";
  if (name === "ratio") return name;
  const unit = name.startsWith("k") ? "s⁻¹" : name === "slope_per_s" ? `(${signalUnit}/s)` : signalUnit;
  return `${symbolOf(name)} / ${unit}`;
}

/** Amplitudes, and the end of a baseline with a slope, are those at the start of their own fit. */
function countsFromStart(name, law) {
  return name.startsWith("amplitude") || (name === "intercept" && LAWS[law].slope);
}

/** Whether the residuals are noise: their mean square over what noise explains, as the verdict has it. */
function sayMisfit(fit) {
  if (!fit?.ok || !fit.misfit) return "";
  const systematic = fit.misfit.chance < MISFIT_CHANCE && !fit.coarse;
  return `${formatDigits(fit.misfit.ratio, 3)}, ${systematic ? "systematic" : "as noise"}`;
}
