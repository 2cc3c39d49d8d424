/** A page that follows a folder: decisions are written as they are made, new shots appear. */

import { countThings, formatPm } from "./format.js";
import { readTable } from "./lab.js";
import { ENDED, sendDecisions, watchFolder } from "./live.js";

const SAVE_MS = 500;
const IDLE_MS = 1200;
const LOOK_MS = 200;
const MOST_NAMED = 3;
/** Stands for the condition of a shot that is not yet compared with others. */
const FRESH = "new";

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
 *          openShot: (shot: object) => void, showFresh: (shots: object[]) => void,
 *          say: (text: string) => void}} page
 */
export function followFolder(lab, edits, { filesOf, openName, openShot, showFresh, say }) {
  const memory = `${edits.key}/page`, posted = new Set(), by = `${Date.now()} ${Math.random()}`;
  let shown = lab.live.version, sent = edits.unsaved ? "" : edits.text, saving = 0, touched = 0, told = 0, reloading = false;
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
    addEventListener(kind, (event) => (kind !== "pointermove" || event.buttons) && (touched = Date.now()), { passive: true });
  }
  edits.listen(() => {
    clearTimeout(saving);
    if (edits.text !== sent) saving = setTimeout(save, SAVE_MS);
  });
  if (edits.unsaved) save();
  welcome();
  watchFolder(lab.live.version, {
    changed: (state) => {
      const fresh = state.fresh.flatMap(readTable).map((shot) => ({ ...shot, index: undefined, label: FRESH }));
      if (fresh.length || told) showFresh(fresh);
      told = fresh.length;
      if (state.problem) say(state.problem);
      else if (fresh.length) say(`${sayNew(fresh)} Tables and plots follow.`);
      // What this page has decided it shows already.
      if (state.by === by && state.version === shown + 1) shown = state.version;
      if (state.version !== shown && !reloading) reload();
    },
    ended: () => say(ENDED),
  });

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
    const busy = () => edits.dragged !== null || Date.now() - touched < IDLE_MS;
    while (busy()) await new Promise((done) => setTimeout(done, LOOK_MS));
    if (edits.unsaved) await save();
    const shots = lab.shots.map(({ experiment, file, channel }) => `${experiment}\n${file}\n${channel}`);
    try {
      sessionStorage.setItem(memory, JSON.stringify({ open: openName(), shots, scroll: scrollY }));
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
    const known = new Set(kept.shots), nameOf = ({ experiment, file, channel }) => `${experiment}\n${file}\n${channel}`;
    const fresh = lab.shots.filter((shot) => !known.has(nameOf(shot)));
    const open = lab.shots.find((shot) => nameOf(shot) === kept.open);
    if (open) openShot(open);
    scrollTo(0, kept.scroll);
    if (!fresh.length) return;
    say(sayNew(fresh));
  }
}
