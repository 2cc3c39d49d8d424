/** What the page is made of: the tables at once, the traces when they are asked for. */

import { unpack } from "./decode.js";
import { fetchTrace } from "./live.js";

const NO_CUT = -(2 ** 30);
const CUT_SCALE = 1e5;
const KEPT_TRACES = 60;
/** Stands for the condition of a shot that is not yet compared with others. */
const FRESH = "new";

/**
 * @typedef {object} Trace
 * @property {Float64Array} time          Seconds, every point.
 * @property {Float64Array|null} signal   Every point, or null where the file has it thinned only.
 * @property {{time: Float64Array, signal: Float64Array}} thin
 * @property {{time: Float64Array, k: Float64Array, error: Float64Array}|null} cuts
 */

/** What tells a shot from all others. @returns {string} */
export function nameOf({ experiment, file, channel }) {
  return `${experiment}\n${file}\n${channel}`;
}

/** Reads the tables and finds the traces; `source` maps element ids to their text. */
export function openLab(source) {
  const payload = JSON.parse(source("payload"));
  const shots = readTable(payload.shots), conditions = readTable(payload.conditions);
  const places = new Map(conditions.map((row) => [`${row.experiment}\n${row.condition}`, row]));
  conditions.forEach((row) => (row.shots_of = []));
  for (const shot of shots) settle(shot, places.get(`${shot.experiment}\n${shot.condition}`) ?? null, "");
  const lines = payload.live ? servedLines(shots, payload.served) : ownLines(source);
  return { ...payload, shots, conditions, traces: new TraceStore(lines) };
}

/** Puts a shot among those of its condition; one without is called `otherwise`. */
function settle(shot, place, otherwise) {
  shot.place = place;
  place?.shots_of.push(shot);
  shot.label = place?.label ?? otherwise;
}

/**
 * Takes in the shots that the server tells of and no page has yet; those that it tells of no more go.
 * @param {object} lab
 * @param {object[]} tables
 * @returns {object[]}  Shots of the lab like any other, but that they are `fresh`.
 */
export function takeFresh(lab, tables) {
  const before = lab.shots.filter(({ fresh }) => fresh);
  for (const shot of before) {
    shot.fresh = false;
    if (shot.place) shot.place.shots_of = shot.place.shots_of.filter((other) => other !== shot);
  }
  return tables.flatMap(readTable).map((told) => {
    const shot = before.find((known) => nameOf(known) === nameOf(told)) ?? { index: lab.shots.length };
    Object.assign(shot, told, { index: shot.index, fresh: true });
    lab.shots[shot.index] = shot;
    const alike = ({ experiment, file, channel }) => experiment === shot.experiment && file === shot.like && channel === shot.channel;
    settle(shot, lab.shots.find(alike)?.place ?? null, FRESH);
    lab.served[shot.index] = 1;
    lab.traces.forget(shot.index);
    return shot;
  });
}

/** Columns to rows; texts that repeat are stored once. */
export function readTable({ count, ...columns }) {
  const rows = Array.from({ length: count }, (_, index) => ({ index }));
  for (const [name, column] of Object.entries(columns)) {
    if (Array.isArray(column)) {
      rows.forEach((row, i) => (row[name] = readNumber(column[i])));
    } else rows.forEach((row, i) => (row[name] = column.texts[column.at[i]]));
  }
  return rows;
}

function readNumber(value) {
  if (value === null) return NaN;
  return typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value;
}

/**
 * Where the parts of a packed trace come from.
 * @typedef {object} Lines
 * @property {(index: number) => "none"|"thin"|"full"} kind  Whether a shot has a trace, and whether in full.
 * @property {(index: number) => Promise<string[]|null>} parts  Packed times, thinned trace, trace in full, cuts.
 */

/** The traces that stand in the file. @returns {Lines} */
function ownLines(source) {
  const grids = source("grids").split("\n"), lines = source("traces").split("\n");
  return {
    kind: (index) => (!lines[index] ? "none" : lines[index].split("\t")[2] ? "full" : "thin"),
    parts: async (index) => {
      if (!lines[index]) return null;
      const [grid, ...rest] = lines[index].split("\t");
      return [grids[Number(grid)], ...rest];
    },
  };
}

/** The traces that the server of the page sends when they are asked for. @returns {Lines} */
function servedLines(shots, served) {
  return {
    kind: (index) => (served[index] ? "full" : "none"),
    parts: async (index) => (served[index] ? fetchTrace(shots[index]) : null),
  };
}

class TraceStore {
  /** @param {Lines} lines */
  constructor(lines) {
    this.lines = lines;
    this.times = new Map();
    this.held = new Map();
  }

  kind(index) {
    return this.lines.kind(index);
  }

  /** What is read of a shot that has come anew is asked for again. */
  forget(index) {
    this.held.delete(index);
  }

  /** @param {number} index  Of the shot. @returns {Promise<Trace|null>} */
  trace(index) {
    if (!this.held.has(index)) {
      if (this.held.size >= KEPT_TRACES) this.held.delete(this.held.keys().next().value);
      this.held.set(index, this.#read(index));
    }
    return this.held.get(index);
  }

  async #read(index) {
    const parts = await this.lines.parts(index);
    // What did not come this time is asked for again.
    if (!parts) return this.held.delete(index), null;
    const [grid, thin, full, cuts] = parts;
    if (!this.times.has(grid)) this.times.set(grid, unpack(grid));
    const time = await this.times.get(grid);
    return {
      time,
      signal: full ? await unpack(full) : null,
      thin: await readThin(thin, time),
      cuts: cuts ? await readCuts(cuts) : null,
    };
  }
}

async function readThin(text, time) {
  const [low, high, indices, levels] = text.split("|");
  const at = await unpack(indices), level = await unpack(levels);
  const step = (Number(high) - Number(low)) / 65535;
  return {
    time: at.map((index) => time[index]),
    signal: level.map((value) => Number(low) + value * step),
  };
}

async function readCuts(text) {
  const [scale, times, ratios, errors] = text.split("|");
  const read = async (packed) =>
    (await unpack(packed)).map((v) => (v <= NO_CUT ? NaN : (v / CUT_SCALE) * Number(scale)));
  return { time: await unpack(times), k: await read(ratios), error: await read(errors) };
}
