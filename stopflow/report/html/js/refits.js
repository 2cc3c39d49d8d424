/** The reader's own fits: of every changed shot, from its full trace, kept until it changes. */

import { fitSeparable, followSeparable, followTrace } from "./fit.js";
import { Helper } from "./helper.js";
import { LAWS } from "./laws.js";
import { changesFit } from "./decisions.js";
import { NO_EDIT } from "./edits.js";

/**
 * What is fitted: the choices of stopflow, changed by those of the reader.
 * @param {object} shot
 * @param {import("./edits.js").Edit} edit
 * @param {Float64Array} time
 * @param {Record<string, number>} fixed  Held by the settings of the lab.
 * @returns {import("./fit.js").Choice}
 */
export function choiceOf(shot, edit, time, fixed) {
  const detected = shot.start_source === "detected" && !changesFit(edit, shot);
  return {
    law: edit.law ?? (LAWS[shot.law] ? shot.law : "single-slope"),
    startS: finite(edit.startS) ?? finite(shot.start_s),
    endS: finite(edit.endS) ?? finite(shot.end_s),
    excluded: edit.left.length ? markLeft(time, edit.left) : null,
    fixed: edit.law && edit.law !== shot.law ? edit.fixed : { ...fixed, ...edit.fixed },
    // What may be left of the artefact widens the errors of a detected start, not of a given one.
    startInflation: detected ? finite(shot.start_inflation) ?? 1 : 1,
  };
}

/** Whether a shot that the reader left as it is enters means. */
export function counts(shot) {
  return shot.verdict !== "FAIL" && !shot.rules.split("; ").includes("left-out");
}

function finite(value) {
  return Number.isFinite(value) ? value : null;
}

/** 1 for every point inside one of the stretches. */
function markLeft(time, stretches) {
  const mask = new Uint8Array(time.length);
  for (const [from, to] of stretches) {
    for (let i = 0; i < time.length; i++) if (time[i] >= from && time[i] <= to) mask[i] = 1;
  }
  return mask;
}

const REHEARSALS = 24;
const REST_MS = 50;

/** Not every browser has idle times. */
function untilIdle() {
  return new Promise((done) => (window.requestIdleCallback ?? ((then) => setTimeout(then, REST_MS)))(done));
}

export class Refits {
  /**
   * @param {object} lab
   * @param {import("./edits.js").Edits} edits
   * @param {{workerText: string, settled: (index: number) => void}} options  `settled` hears which
   *   shot has the fit to all digits that its drag left to be made.
   */
  constructor(lab, edits, { workerText, settled }) {
    Object.assign(this, { lab, edits, settled });
    this.helper = new Helper(workerText, ([time, signal, choice]) => fitSeparable(time, signal, choice));
    this.own = new Map();
    this.base = new Map();
    /** Where the fit of a shot that is dragged begins: at its last one. */
    this.near = new Map();
  }

  /** The fit of a changed shot, or null: unchanged, or not computed yet. */
  of(shot) {
    return this.own.get(shot.index) ?? null;
  }

  /** The fit with the choices of stopflow, or null. */
  baseline(shot) {
    return this.base.get(shot.index) ?? null;
  }

  /** Fits a shot as it stands now, if that was changed; the trace must be there in full. */
  update(shot, trace) {
    if (!trace?.signal) return null;
    if (LAWS[shot.law] && !this.base.has(shot.index)) this.base.set(shot.index, this.#fit(shot, NO_EDIT, trace));
    const edit = this.edits.of(shot.index), before = this.of(shot);
    if (edit === NO_EDIT) this.own.delete(shot.index);
    else if (before?.edit !== edit) this.own.set(shot.index, { ...this.#fit(shot, edit, trace), edit });
    else if (before.followed && this.edits.dragged !== shot.index) this.#settle(shot, before, trace);
    return this.of(shot);
  }

  #fit(shot, edit, trace) {
    const choice = choiceOf(shot, edit, trace.time, this.lab.fixed);
    const moving = edit !== NO_EDIT && this.edits.dragged === shot.index;
    const last = moving ? this.near.get(shot.index) : null;
    return last?.law === choice.law
      ? { ...this.#keep(shot, choice, followSeparable(trace.time, trace.signal, choice, last)), followed: true }
      : this.#keep(shot, choice, fitSeparable(trace.time, trace.signal, choice));
  }

  /** A fit with what it was made of, and where the next one may begin. */
  #keep(shot, choice, fit) {
    const near = fit.ok ? fit : fit.nearest;
    if (near) this.near.set(shot.index, near);
    if (!fit.ok) return { ...fit, choice };
    const [low, high] = fit.interval.k_per_s;
    return { ...fit, choice, k: fit.parameters.k_per_s, error: fit.stderr.k_per_s, low, high };
  }

  /** Puts the fit to all digits in the place of the one that followed a drag; once for each. */
  async #settle(shot, followed, trace) {
    if (followed.settling) return;
    followed.settling = true;
    const fit = await this.helper.ask([trace.time, trace.signal, followed.choice]);
    if (this.of(shot) !== followed) return;
    this.own.set(shot.index, { ...this.#keep(shot, followed.choice, fit), edit: followed.edit });
    this.settled(shot.index);
  }

  /** Fits as a drag does, while nothing else goes on: its first frames find their code compiled. */
  async rehearse(shot, trace) {
    const near = this.near.get(shot.index);
    if (!near || !trace?.signal) return;
    const choice = choiceOf(shot, this.edits.of(shot.index), trace.time, this.lab.fixed);
    for (let count = 1; count <= REHEARSALS; count++) {
      await untilIdle();
      if (this.edits.dragged !== null || this.near.get(shot.index) !== near) return;
      followTrace(trace.time, trace.signal, { ...choice, startS: near.startS + (near.windowS * count) / 1000 }, near);
    }
  }

  /** Fits every changed shot, e.g. those of an earlier visit. */
  async updateAll() {
    for (const index of this.edits.changed()) {
      const shot = this.lab.shots[index];
      if (shot) this.update(shot, await this.lab.traces.trace(index));
    }
  }

  /** Usable rates of a condition as they are now. */
  ratesOf(condition) {
    return condition.shots_of
      .map((shot) => ({ shot, edit: this.edits.of(shot.index), fit: this.of(shot) }))
      .filter(({ shot, edit, fit }) => edit.use && (fit ? fit.ok : counts(shot)))
      .map(({ shot, fit }) => fit ?? {
        k: shot.k_per_s, error: shot.k_stderr_per_s, low: shot.k_low95_per_s, high: shot.k_high95_per_s,
      })
      .filter(({ k }) => Number.isFinite(k));
  }
}
