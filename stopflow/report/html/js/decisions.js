/** Decisions as the file `decisions.csv` keeps them, one line a shot that was changed. */

import { exactText } from "./format.js";

export const COLUMNS = ["file", "channel", "use", "start", "end", "law", "note"];

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
 * @param {{shot: object, edit: import("./edits.js").Edit}[]} changes
 * @returns {string}  Times in seconds; an empty cell leaves what ingest would choose.
 */
export function decisionsCsv(changes) {
  return csvText(
    COLUMNS,
    changes.map(({ shot, edit }) => [
      `${shot.experiment}/${shot.file}`,
      shot.channel,
      edit.use ? "yes" : "no",
      edit.startS === null ? "" : exactText(edit.startS),
      edit.endS === null ? "" : exactText(edit.endS),
      edit.law ?? "",
      edit.note,
    ]),
  );
}
