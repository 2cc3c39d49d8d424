/**
 * Decisions as the file `decisions.csv` beside the traces keeps them: one file an experiment, one
 * line a shot. What earlier decisions said and nothing here changes stays in the file.
 */

import { exactText } from "./format.js";

export const COLUMNS = ["file", "channel", "use", "start", "end", "law", "note"];
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
    // A folder may be named like what every object has.
    const known = Object.hasOwn(lab.decisions, experiment) ? lab.decisions[experiment] : [];
    const rows = new Map(known.map((line) => line.split("\t")).map((row) => [keyOfRow(row), row]));
    for (const shot of lab.shots.filter((one) => one.experiment === experiment && editOf(one.index))) {
      const row = decisionRow(shot, editOf(shot.index)), key = keyOfRow(row);
      const changed = changedRow(rows.get(key) ?? [], row);
      // The later of two rows wins, and there may be another way to write the name.
      rows.delete(key);
      rows.set(key, changed);
    }
    return [experiment, csvText(COLUMNS, [...rows.values()])];
  });
}

function keyOfRow([file, channel]) {
  return `${file}\n${channel}`;
}

/** The cells of an earlier row that nothing here changes stay; so does the first reason. */
function changedRow(earlier, row) {
  const cells = row.map((cell, at) => (cell === "" ? earlier[at] ?? "" : cell));
  const note = cells.pop(), before = earlier.at(-1) ?? "";
  const first = /\(before: (.*)\)$/s.exec(before)?.[1] ?? before;
  return [...cells, first && first !== note ? `${note} (before: ${first})` : note];
}

/**
 * One line. Times have their unit, in full digits. A start that was detected is written with any
 * other change of the fit: what is detected next time may depend on that change, and the numbers of
 * the page are those of this start.
 */
function decisionRow(shot, edit) {
  const kept = shot.start_source === DETECTED && changesFit(edit, shot);
  const start = edit.startS ?? (kept ? shot.start_s : null);
  return [
    shot.file, String(shot.channel), edit.use ? "yes" : "no", timeText(start), timeText(edit.endS),
    edit.law && edit.law !== shot.law ? edit.law : "", edit.note,
  ];
}

function timeText(seconds) {
  return seconds === null || !Number.isFinite(seconds) ? "" : `${exactText(seconds)} s`;
}
