/** Puts the page together: which shot is open, what changes when, keys, saving. */

import { decisionFiles } from "./decisions.js";
import { Edits, NO_EDIT } from "./edits.js";
import { announce, byId, download, element, setText } from "./element.js";
import { countThings, formatDigits, formatPm } from "./format.js";
import { followKeys } from "./keyboard_shortcuts.js";
import { nameOf, openLab, takeFresh } from "./lab.js";
import { LAWS } from "./laws.js";
import { fitTrace, followTrace } from "./fit.js";
import { followFolder } from "./followed_folder.js";
import { showAnswers, showTables } from "./overview.js";
import { followAppearance } from "./printing.js";
import { RefitPanel } from "./refit_panel.js";
import { Refits, choiceOf } from "./refits.js";
import { placeShot, refitPlot } from "./secondary.js";
import { showPlots } from "./secondary_view.js";
import { TraceView, tableFit } from "./trace_view.js";
import { zipFiles } from "./zip.js";

const lab = openLab((id) => byId(id).textContent);
const edits = new Edits(lab.key, lab.shots.map(nameOf), { dropSaved: Boolean(lab.live) });
const refits = new Refits(lab, edits, { workerText: byId("worker").textContent, settled: showRefit });
let open = null;

showAnswers(lab);
const plots = showPlots(byId("plots"), lab, { refits, openShot });
const tables = showTables(lab, { openShot, edits, yours: (shot) => refits.of(shot) });
const stage = element("div", { class: "trace-stage" }), side = element("div", { class: "trace-side" });
const steps = element("p", { class: "tools no-print" },
  element("button", { type: "button", onclick: () => goBy(-1) }, "← previous shot"),
  element("button", { type: "button", onclick: () => goBy(1) }, "next shot →"),
  element("button", { type: "button", onclick: closeShot }, "Close"));
const subtitle = element("p", { class: "quiet" });
byId("trace").append(subtitle, steps, element("div", { class: "trace-grid" }, stage, side));
const view = new TraceView(stage, lab, {
  moved: (which, timeS) => changeOpen({ [which === "start" ? "startS" : "endS"]: timeS }, { merge: which }),
  done: () => edits.endGesture(),
});
const panel = new RefitPanel(side, { change: changeOpen });
const saveBar = showSaveBar();

edits.listen(showRefit);
refits.updateAll().then(refreshSoon);
if (edits.restored) announce(`${countThings(edits.restored, "change")} of an earlier visit restored.`);
followKeys({
  step: stepHistory,
  isOpen: () => Boolean(open),
  ofShot: {
    ArrowLeft: () => goBy(-1), ArrowRight: () => goBy(1), Escape: closeShot,
    "+": () => view.zoom(0.5), "-": () => view.zoom(2), "0": () => view.reset(),
  },
});
window.addEventListener("hashchange", openFromHash);
window.addEventListener("beforeunload", (event) => edits.unsaved && !edits.leaving && event.preventDefault());
followAppearance(() => [tables.conditions, tables.shots], redraw);
openFromHash();
if (lab.live) {
  followFolder(lab, edits, {
    filesOf, openName: () => open && nameOf(open.shot), openShot, showFresh,
    say: (text) => setText(byId("save-note"), text),
  });
}
document.documentElement.dataset.ready = "yes";
// For those who want to look closer from the console, and for the tests.
globalThis.stopflow = { lab, edits, refits, LAWS, fitTrace, followTrace, placeShot, refitPlot };

/** A shot was changed, or its fit. @param {number|null} index */
function showRefit(index) {
  if (index !== null && open?.shot.index === index) drawOpen();
  else if (index !== null) refitElsewhere(index);
  refreshSoon();
}

/** Shots that have just come are shown like all others, before a page has them. */
function showFresh(told) {
  const fresh = takeFresh(lab, told);
  fresh.forEach((shot) => edits.know(shot.index, nameOf(shot)));
  tables.shots.setFresh(fresh);
  plots.refresh();
  return fresh;
}

/** @param {object} shot @param {{quietly?: boolean}} [options]  Whether the reader's keys stay where they are. */
async function openShot(shot, { quietly = false } = {}) {
  const trace = await lab.traces.trace(shot.index);
  open = { shot, trace };
  if (location.hash !== `#shot=${shot.index}`) history.pushState(null, "", `#shot=${shot.index}`);
  byId("trace").hidden = false;
  byId("trace-title").textContent = shot.file;
  subtitle.textContent = [shot.experiment, shot.label, shot.verdict, shot.reason].filter(Boolean).join(" · ");
  stage.hidden = !trace;
  byId("shots").querySelectorAll("tr.current").forEach((row) => row.classList.remove("current"));
  byId("shots").querySelector(`tr[data-index="${shot.index}"]`)?.classList.add("current");
  const opened = open, replicates = view.open(shot, trace);
  drawOpen();
  if (!quietly) byId("trace-title").focus({ preventScroll: true });
  byId("trace").scrollIntoView({ block: "nearest" });
  await replicates;
  if (open !== opened) return;
  drawOpen();
  refits.rehearse(shot, trace);
}

function closeShot() {
  const index = open?.shot.index;
  open = null;
  byId("trace").hidden = true;
  history.pushState(null, "", location.pathname + location.search);
  byId("shots").querySelector(`tr[data-index="${index}"] button`)?.focus();
}

function openFromHash() {
  const index = Number(/^#shot=(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  if (lab.shots[index] && open?.shot.index !== index) openShot(lab.shots[index]);
}

/** Fits and draws the open shot: what a change of the window runs through. */
function drawOpen() {
  const { shot, trace } = open, edit = edits.of(shot.index);
  const yours = refits.update(shot, trace), stopflow = refits.baseline(shot) ?? tableFit(shot);
  const choice = trace ? choiceOf(shot, edit, trace.time, lab.fixed) : null;
  const last = trace ? trace.time[trace.time.length - 1] : NaN;
  const startS = choice?.startS ?? trace?.time[0] ?? NaN, endS = choice?.endS ?? last;
  const moving = edits.dragged === shot.index || Boolean(yours?.settling);
  if (trace) view.draw({ stopflow, yours, startS, endS, moving });
  panel.show({
    shot, edit, stopflow, yours, choice, startS, endS, moving, factor: view.factor ?? 1e3, unit: view.unit ?? "ms",
    kind: lab.traces.kind(shot.index), robust: lab.robust, signalUnit: shot.signal_unit,
  });
  if (yours?.ok) {
    const shift = (yours.k - shot.k_per_s) / shot.k_stderr_per_s;
    announceSoon(`k is ${formatPm(yours.k, yours.error)} per second, ${formatDigits(shift, 2)} standard errors from stopflow’s`);
  }
}

function changeOpen(change, options) {
  if (!open) return;
  edits.change(open.shot.index, change, options);
  if ("law" in change) refits.rehearse(open.shot, open.trace);
}

async function refitElsewhere(index) {
  const shot = lab.shots[index];
  refits.update(shot, await lab.traces.trace(index));
  refreshSoon();
}

function goBy(step) {
  const rows = tables.shots.selection();
  const at = rows.findIndex((row) => row.index === open?.shot.index);
  const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  if (next && next !== open?.shot) openShot(next);
}

function stepHistory(which) {
  const index = edits[which]();
  announce(index === null ? `Nothing to ${which}.` : `${which === "undo" ? "Undone" : "Redone"}: ${lab.shots[index].file}`);
}

/** How many changes there are, and the buttons for them. */
function showSaveBar() {
  const said = element("span", { role: "status" });
  const button = (text, action) => element("button", { type: "button", onclick: action }, text);
  const undo = button("Undo", () => stepHistory("undo")), redo = button("Redo", () => stepHistory("redo"));
  const save = button("Save decisions", saveDecisions), clear = button("Take all back", () => edits.clear());
  const note = element("span", { id: "save-note", role: "status" });
  byId("save-bar").append(said, undo, redo, ...(lab.live ? [] : [save]), clear, note);
  return () => {
    const changes = edits.changed().length;
    setText(said, changes
      ? `${countThings(changes, "shot")} changed, ${edits.unsaved ? "not saved" : "saved"}`
      : "No changes yet: open a shot and drag the start or the end of its fit.");
    byId("save-bar").classList.toggle("unsaved", edits.unsaved);
    if (edits.unsaved && !lab.live) note.textContent = "";
    undo.disabled = !edits.past.length;
    redo.disabled = !edits.future.length;
    save.disabled = clear.disabled = !changes;
  };
}

/** The decisions of every experiment with a change, and of those in `also`. */
function filesOf(also) {
  return decisionFiles(lab, (index) => {
    const edit = edits.of(index);
    return edit === NO_EDIT ? null : { ...edit, note: edit.note || describeChange(lab.shots[index], edit) };
  }, also);
}

/** One experiment: its decisions.csv. Several: an archive with one in the folder of each. */
function saveDecisions() {
  const files = filesOf([]);
  const [[experiment, text]] = files;
  if (files.length === 1) download("decisions.csv", new Blob([text], { type: "text/csv;charset=utf-8" }));
  else download("decisions.zip", zipFiles(files.map(([name, csv]) => [`${name}/decisions.csv`, csv])));
  edits.markSaved();
  const where = files.length === 1
    ? `put it into the folder ${experiment}, beside its traces`
    : "unpack it in the folder of the lab";
  byId("save-note").textContent = `Saved: ${where}, and run stopflow ingest again.`;
}

/** The reason where the reader gave none: what was changed. */
function describeChange(shot, edit) {
  const said = [];
  if (!edit.use) said.push("left out");
  if (edit.startS !== null) said.push(`start ${formatDigits(shot.start_s, 5)} to ${formatDigits(edit.startS, 5)} s`);
  if (edit.endS !== null) said.push(`end at ${formatDigits(edit.endS, 5)} s`);
  if (edit.law !== null && edit.law !== shot.law) said.push(`rate law ${shot.law} to ${edit.law}`);
  return said.join(", ") || "tried, nothing changed";
}

let refreshing = 0, announcing = 0;

/** Tables and plots follow at the end of a gesture, not at every pixel. */
function refreshSoon() {
  saveBar();
  clearTimeout(refreshing);
  refreshing = setTimeout(() => {
    plots.refresh();
    tables.shots.refresh();
  }, 120);
}

function announceSoon(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => announce(text), 600);
}

/** In the colours of the style sheet as it is now. */
function redraw() {
  plots.draw();
  if (open) view.paint();
}
