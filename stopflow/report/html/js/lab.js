/** What is in the file: the tables at once, the traces when they are asked for. */

import { unpack } from "./decode.js";

const NO_CUT = -(2 ** 30);
const CUT_SCALE = 1e5;
const KEPT_TRACES = 60;

/**
 * @typedef {object} Trace
 * @property {Float64Array} time          Seconds, every point.
 * @property {Float64Array|null} signal   Every point, or null where the file has it thinned only.
 * @property {{time: Float64Array, signal: Float64Array}} thin
 * @property {{time: Float64Array, k: Float64Array, error: Float64Array}|null} cuts
 */

/** Reads the tables and finds the traces; `source` maps element ids to their text. */
export function openLab(source) {
  const payload = JSON.parse(source("payload"));
  const shots = readTable(payload.shots), conditions = readTable(payload.conditions);
  const places = new Map(conditions.map((row) => [`${row.experiment}\n${row.condition}`, row]));
  conditions.forEach((row) => (row.shots_of = []));
  for (const shot of shots) {
    shot.place = places.get(`${shot.experiment}\n${shot.condition}`) ?? null;
    shot.place?.shots_of.push(shot);
    shot.label = shot.place?.label ?? "";
  }
  const traces = new TraceStore(source("grids").split("\n"), source("traces").split("\n"));
  return { ...payload, shots, conditions, traces };
}

/** Columns to rows; texts that repeat are stored once. */
function readTable({ count, ...columns }) {
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

class TraceStore {
  constructor(grids, lines) {
    this.grids = grids;
    this.lines = lines;
    this.times = new Map();
    this.held = new Map();
  }

  /** Whether a shot has a trace, and whether in full. */
  kind(index) {
    const line = this.lines[index];
    return !line ? "none" : line.split("\t")[2] ? "full" : "thin";
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
    const line = this.lines[index];
    if (!line) return null;
    const [grid, thin, full, cuts] = line.split("\t");
    if (!this.times.has(grid)) this.times.set(grid, unpack(this.grids[Number(grid)]));
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
