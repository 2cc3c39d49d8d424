/** What the reader changed: one edit a shot, with undo and redo, kept in the browser. */

/**
 * @typedef {object} Edit
 * @property {boolean} use
 * @property {number|null} startS          Null: as stopflow chose.
 * @property {number|null} endS
 * @property {string|null} law
 * @property {[number, number][]} left     Stretches of time that are left out; for trying only.
 * @property {Record<string, number>} fixed  Parameters that are held; for trying only.
 * @property {string} note                 The reason.
 */

/** @type {Readonly<Edit>} */
export const NO_EDIT = Object.freeze({
  use: true, startS: null, endS: null, law: null, left: [], fixed: {}, note: "",
});

const STORE_VERSION = 2;

export class Edits {
  /**
   * @param {string} key      Names this lab in the browser's store.
   * @param {string[]} names  Of the shots, by which their edits are found again.
   * @param {{dropSaved?: boolean}} [options]  Whether what was saved is in the tables already.
   */
  constructor(key, names, { dropSaved = false } = {}) {
    this.names = names;
    this.dropSaved = dropSaved;
    this.leaving = false;
    this.key = `stopflow/${STORE_VERSION}/${key}`;
    this.current = new Map();
    this.saved = "";
    this.past = [];
    this.future = [];
    this.listeners = [];
    this.restored = this.#restore();
  }

  /** @param {number} index @returns {Edit} */
  of(index) {
    return this.current.get(index) ?? NO_EDIT;
  }

  /** Takes in a shot that was not among the others. */
  know(index, name) {
    this.names[index] = name;
  }

  /** Indices of changed shots, in order. */
  changed() {
    return [...this.current.keys()].sort((a, b) => a - b);
  }

  /**
   * Changes a shot. Changes of one gesture (`merge`) are undone together.
   * @param {number} index
   * @param {Partial<Edit>} change
   * @param {{merge?: string|null}} [options]
   */
  change(index, change, { merge = null } = {}) {
    const before = this.of(index), after = { ...before, ...change };
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    const last = this.past[this.past.length - 1];
    if (merge && last?.merge === merge && last.index === index) last.after = after;
    else this.past.push({ index, before, after, merge });
    this.future = [];
    this.#put(index, after);
  }

  /** The shot whose window is being dragged, or null. */
  get dragged() {
    const last = this.past[this.past.length - 1];
    return ["start", "end"].includes(last?.merge) ? last.index : null;
  }

  /** Ends a gesture: the next change is undone on its own. */
  endGesture() {
    const last = this.past[this.past.length - 1];
    if (!last?.merge) return;
    last.merge = null;
    this.#keep();
    this.#tell(last.index);
  }

  /** @returns {number|null}  The shot that was put back. */
  undo() {
    const step = this.past.pop();
    if (!step) return null;
    step.merge = null;
    this.future.push(step);
    this.#put(step.index, step.before);
    return step.index;
  }

  /** @returns {number|null} */
  redo() {
    const step = this.future.pop();
    if (!step) return null;
    this.past.push(step);
    this.#put(step.index, step.after);
    return step.index;
  }

  /** Takes everything back, in one step a shot. */
  clear() {
    for (const index of this.changed()) this.change(index, NO_EDIT);
  }

  /** Notes that what stands now was written to a file. */
  markSaved() {
    this.saved = this.text;
    this.#keep();
    this.#tell(null);
  }

  get unsaved() {
    return this.current.size > 0 && this.text !== this.saved;
  }

  /** @param {(index: number|null) => void} listener  Called with the shot that changed. */
  listen(listener) {
    this.listeners.push(listener);
  }

  #put(index, edit) {
    if (JSON.stringify(edit) === JSON.stringify(NO_EDIT)) this.current.delete(index);
    else this.current.set(index, edit);
    // The store is slow; it has what a drag left when the drag ends.
    if (this.dragged === null) this.#keep();
    this.#tell(index);
  }

  #tell(index) {
    for (const listener of this.listeners) listener(index);
  }

  /** All edits as a text; equal edits give equal texts. */
  get text() {
    return JSON.stringify(this.changed().map((index) => [this.names[index], this.of(index)]));
  }

  /** A browser may refuse to keep anything; the page works without. */
  #keep() {
    try {
      if (this.current.size) {
        localStorage.setItem(this.key, JSON.stringify({ edits: this.text, saved: this.saved }));
      } else localStorage.removeItem(this.key);
    } catch {
      this.storeFailed = true;
    }
  }

  /** @returns {number}  How many edits an earlier visit left. */
  #restore() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.key) ?? "null");
      if (!kept) return 0;
      const places = new Map(this.names.map((name, index) => [name, index]));
      for (const [name, edit] of JSON.parse(kept.edits)) {
        const trying = edit.left?.length || Object.keys(edit.fixed ?? {}).length;
        if (this.dropSaved && kept.saved === kept.edits && !trying) continue;
        if (places.has(name)) this.current.set(places.get(name), { ...NO_EDIT, ...edit });
      }
      this.saved = kept.saved;
      return this.current.size;
    } catch {
      return 0;
    }
  }
}
