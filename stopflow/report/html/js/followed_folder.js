/** A page that follows a folder: decisions are written as they are made, new shots appear. */

import { byId, element } from "./element.js";
import { countThings, formatPm } from "./format.js";
import { nameOf } from "./lab.js";
import { ENDED, sendDecisions, watchFolder } from "./live.js";

const SAVE_MS = 500;
const IDLE_MS = 1200;
const LOOK_MS = 200;
const MOST_NAMED = 3;

/** New shots with their rates, the last few of many. */
function sayNew(shots) {
  const last = shots.slice(-MOST_NAMED), more = shots.length - last.length;
  const said = last.map(({ file, k_per_s: k, k_stderr_per_s: error, verdict }) =>
    `${file}: ${Number.isFinite(k) ? `k = ${formatPm(k, error)} s⁻¹` : "no rate"}, ${verdict}`);
  return `${countThings(shots.length, "new shot")}: ${said.join("; ")}${more ? `; and ${more} more` : ""}.`;
}

/**
 * @param {object} lab
 * @param {import("./edits.js").Edits} edits
 * @param {{filesOf: (also: Set<string>) => [string, string][], openName: () => string|null,
 *          openShot: (shot: object, options?: {quietly: boolean}) => void,
 *          showFresh: (tables: object[]) => object[], say: (text: string) => void}} page  `showFresh` takes in what the server tells of new shots.
 */
export function followFolder(lab, edits, { filesOf, openName, openShot, showFresh, say }) {
  const memory = `${edits.key}/page`, posted = new Set(), by = `${Date.now()} ${Math.random()}`;
  let shown = lab.live.version, sent = edits.unsaved ? "" : edits.text, saving = 0, touched = 0, told = [], followed = null, reloading = false;
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
    addEventListener(kind, (event) => (kind !== "pointermove" || event.buttons) && (touched = Date.now()), { passive: true });
  }
  const follows = showFollowBox(`${edits.key}/follow`);
  edits.listen((index) => {
    if (index !== null) followed = null;
    clearTimeout(saving);
    if (edits.text !== sent) saving = setTimeout(save, SAVE_MS);
  });
  if (edits.unsaved) save();
  welcome();
  watchFolder(lab.live.version, {
    changed: (state) => {
      // What this page has decided it shows already.
      if (state.by === by && state.version === shown + 1) shown = state.version;
      // The shots of a page that is not seen yet stay as they are.
      if (state.version === shown) hear(state.fresh);
      else if (!reloading) reload();
      if (state.problem) say(state.problem);
    },
    ended: () => say(ENDED),
  });

  /** Shows shots that no page has; the last of those that have just come is opened where nobody reads another. */
  function hear(tables) {
    if (!tables.length && !told.length) return;
    const fresh = showFresh(tables), newest = fresh.filter((shot) => !told.includes(nameOf(shot))).at(-1);
    told = fresh.map(nameOf);
    if (fresh.length) say(`${sayNew(fresh)} Means and curves follow.`);
    if (!newest || !follows() || isBusy() || (openName() ?? followed) !== followed) return;
    followed = nameOf(newest);
    openShot(newest, { quietly: true });
  }

  function isBusy() {
    return edits.dragged !== null || Date.now() - touched < IDLE_MS;
  }

  /** Writes what stands now; an experiment whose changes were taken back is written once more. */
  async function save() {
    if (edits.dragged !== null) return;
    const files = filesOf(posted);
    if (!files.length) return;
    const state = edits.text, why = await sendDecisions({ by, version: shown, texts: Object.fromEntries(files) });
    if (why) return say(`Not saved: ${why}`);
    files.forEach(([experiment]) => posted.add(experiment));
    sent = state;
    if (edits.text === state) edits.markSaved();
    say(`Saved in decisions.csv of ${files.map(([experiment]) => experiment).join(", ")}.`);
  }

  /** Never under the reader's hands: not in a drag, not while a text is being typed. */
  async function reload() {
    reloading = true;
    while (isBusy()) await new Promise((done) => setTimeout(done, LOOK_MS));
    if (edits.unsaved) await save();
    const shots = lab.shots.filter(({ fresh }) => !fresh).map(nameOf);
    try {
      sessionStorage.setItem(memory, JSON.stringify({ open: openName(), followed, shots, scroll: scrollY }));
    } catch {
      // Without a store the page begins anew; no decision depends on it.
    }
    edits.leaving = true;
    history.replaceState(null, "", location.pathname);
    location.reload();
  }

  /** After a reload: where the reader was, and what is new. */
  function welcome() {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(memory) ?? "null");
      sessionStorage.removeItem(memory);
    } catch {
      return;
    }
    if (!kept) return;
    const known = new Set(kept.shots);
    followed = kept.followed;
    const fresh = lab.shots.filter((shot) => !known.has(nameOf(shot)));
    const open = lab.shots.find((shot) => nameOf(shot) === kept.open);
    if (open) openShot(open, { quietly: kept.open === followed });
    scrollTo(0, kept.scroll);
    if (!fresh.length) return;
    say(sayNew(fresh));
  }
}

/** Whether new shots are opened as they come: the reader's choice, kept where the browser keeps anything. */
function showFollowBox(key) {
  const keep = () => {
    try {
      localStorage.setItem(key, box.checked ? "yes" : "no");
    } catch {
      // It is asked for again after the next visit.
    }
  };
  const box = element("input", { type: "checkbox", onchange: keep });
  try {
    box.checked = localStorage.getItem(key) !== "no";
  } catch {
    box.checked = true;
  }
  byId("save-note").before(element("label", {}, box, " open each new shot"));
  return () => box.checked;
}
