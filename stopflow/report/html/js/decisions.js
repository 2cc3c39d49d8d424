/**
 * Decisions as the file `decisions.csv` beside the traces keeps them: one file an experiment, one
 * line a shot. What earlier decisions said and nothing here changes stays in the file.
 */

import { exactText } from "./format.js";

export const COLUMNS = ["file", "channel", "use", "start", "end", "law", "note"];
const DECIDED = "decision";
const DETECTED = "detected";

/** Whether an edit changes what is fitted. */
export function changesFit(edit, shot) {
  return edit.startS !== null || edit.endS !== null || (edit.law !== null && edit.law !== shot.law);
}

/** A cell of a CSV file, quoted where that is needed. */
export function csvCell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {string[]} columns @param {any[][]} rows */
export function csvText(columns, rows) {
  return [columns, ...rows].map((row) => row.map(csvCell).join(",")).join("\n") + "\n";
}

/**
 * @param {object} lab
 * @param {(index: number) => import("./edits.js").Edit|null} editOf  Null for an unchanged shot.
 * @param {Iterable<string>} [also]  Experiments that are written without a change, too.
 * @returns {[string, string][]}  Experiment and file, for every experiment with a change.
 */
export function decisionFiles(lab, editOf, also = []) {
  const changed = new Set(also);
  lab.shots.filter(({ index }) => editOf(index)).forEach((shot) => changed.add(shot.experiment));
  return [...changed].map((experiment) => {
    const shots = lab.shots.filter((shot) => shot.experiment === experiment);
    const earlier = lab.leftOut.filter((item) => item.experiment === experiment)
      .map(({ file, channel, why }) => [file, channel, "no", "", "", "", why]);
    const rows = shots.map((shot) => decisionRow(shot, editOf(shot.index))).filter(Boolean);
    return [experiment, csvText(COLUMNS, [...earlier, ...rows])];
  });
}

/**
 * One line; null where there is nothing to decide. Times have their unit, in full digits. A start
 * that was detected is written with any other change of the fit: what is detected next time may
 * depend on that change, and the numbers of the page are those of this start.
 */
function decisionRow(shot, edit) {
  const decided = shot.start_source === DECIDED;
  if (!edit && !decided) return null;
  const kept = decided || (shot.start_source === DETECTED && edit && changesFit(edit, shot));
  const start = edit?.startS ?? (kept ? shot.start_s : null);
  return [
    shot.file, shot.channel, edit && !edit.use ? "no" : "yes", timeText(start), timeText(edit?.endS ?? null),
    edit?.law && edit.law !== shot.law ? edit.law : "", edit ? edit.note : "an earlier decision",
  ];
}

function timeText(seconds) {
  return seconds === null || !Number.isFinite(seconds) ? "" : `${exactText(seconds)} s`;
}
