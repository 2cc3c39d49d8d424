/** Answers, verdict counts, filters and the two tables. */

import { byId, element } from "./element.js";
import { columnDecimals, countThings, formatConcentration, formatInterval, formatPm, MISSING, symbolOf } from "./format.js";
import { Table } from "./table.js";

const VERDICTS = ["PASS", "WARN", "FAIL"];
const SIGNS = { PASS: "✓", WARN: "!", FAIL: "✕" };

/** Questions and answers of the first page, and where the numbers come from. */
export function showAnswers(lab) {
  const list = element("dl", { class: "answers" });
  for (const [question, text] of lab.answers) {
    list.append(element("dt", {}, question), element("dd", {}, text));
  }
  byId("answers").append(list);
  const experiments = new Set(lab.shots.map((shot) => shot.experiment)).size;
  byId("about").textContent =
    `${countThings(lab.shots.length, "shot")}, ${countThings(experiments, "experiment")}` +
    (lab.command ? ` · ${lab.command}` : "") + (lab.version ? ` · stopflow ${lab.version}` : "");
}

/**
 * The tables and what filters them.
 * @param {object} lab
 * @param {{openShot: (shot: object) => void, edits: import("./edits.js").Edits,
 *          yours: (shot: object) => object|null}} options  `yours` is the reader's own fit.
 */
export function showTables(lab, { openShot, edits, yours }) {
  const has = (name) => lab.shots.some((shot) => Number.isFinite(shot[name]));
  const several = new Set(lab.shots.map((shot) => shot.experiment)).size > 1;
  const coordinates = [
    ...(has("concentration_M")
      ? [concentrationColumn("Concentration", "concentration_M", lab.concentrationUnit)]
      : []),
    ...(has("ionic_strength_M")
      ? [concentrationColumn("Ionic strength", "ionic_strength_M", lab.ionicStrengthUnit)]
      : []),
    ...(has("temperature_K") ? [temperatureColumn()] : []),
  ];
  const experiment = several ? [textColumn("Experiment", "experiment")] : [];
  const verdict = { ...textColumn("Verdict", "verdict"), text: (row) => `${SIGNS[row.verdict] ?? ""} ${row.verdict}`, css: "verdict" };
  const ofConditions = rateColumns(lab.conditions), ofShots = rateColumns(lab.shots), decimals = decimalsOf(lab.shots, "k");
  const conditions = new Table(byId("conditions"), {
    name: "conditions", caption: "Rates by condition", rows: lab.order.map((at) => lab.conditions[at]),
    marked: (row) => row.verdict,
    open: (row) => row.shots_of.length && openShot(row.shots_of[0]),
    columns: [
      textColumn("Condition", "label"), ...experiment, ...coordinates,
      { ...numberColumn("Shots", "shots"), text: usedShots }, ...ofConditions, verdict, { ...textColumn("Reason", "reason"), css: "reason" },
    ],
  });
  const shots = new Table(byId("shots"), {
    name: "shots", caption: "Every shot", rows: [...lab.shots], open: openShot,
    marked: (row) => `${row.verdict} ${edits.of(row.index).use ? "" : "left-out"}`,
    columns: [
      textColumn("File", "file"), ...experiment, { ...textColumn("Condition", "label"), css: "label" },
      ...coordinates, ...ofShots,
      {
        title: "Yours", unit: "s⁻¹", number: true,
        text: (row) => yoursText(edits.of(row.index), yours(row), decimals(row)),
        value: (row) => yours(row)?.k ?? NaN,
      },
      { ...textColumn("Rate law", "law"), css: "law" }, verdict, { ...textColumn("Reason", "reason"), css: "reason" },
    ],
  });
  byId("shots").querySelector(".scroll").before(filterBar(lab, [conditions, shots], several));
  return { conditions, shots };
}

/** Shots of a condition, and how many of them its rate is made of, as on paper. */
function usedShots({ fitted, shots }) {
  return fitted === shots ? String(shots) : `${fitted} of ${shots}`;
}

/** Decimals of a rate in a table: one number for each experiment, as on paper. */
function decimalsOf(rows, rate) {
  const errors = new Map();
  for (const row of rows) {
    if (!errors.has(row.experiment)) errors.set(row.experiment, []);
    errors.get(row.experiment).push(row[`${rate}_stderr_per_s`]);
  }
  const fewest = new Map([...errors].map(([experiment, own]) => [experiment, columnDecimals(own)]));
  return (row) => fewest.get(row.experiment);
}

/** k and its interval, and the rates of further phases where there are any. */
function rateColumns(rows) {
  const fewest = decimalsOf(rows, "k");
  const further = ["k2", "k3"].filter((rate) => rows.some((row) => Number.isFinite(row[`${rate}_per_s`])));
  return [
    rateColumn(rows, "k"),
    {
      title: "95 % interval", unit: "s⁻¹", number: true,
      text: (row) => formatInterval(row.k_low95_per_s, row.k_high95_per_s, row.k_stderr_per_s, fewest(row)),
      value: (row) => `${row.k_low95_per_s} to ${row.k_high95_per_s}`,
    },
    ...further.map((rate) => rateColumn(rows, rate)),
  ];
}

function rateColumn(rows, rate) {
  const fewest = decimalsOf(rows, rate), value = (row) => row[`${rate}_per_s`];
  return {
    title: symbolOf(rate), unit: "s⁻¹", number: true, value,
    text: (row) => formatPm(value(row), row[`${rate}_stderr_per_s`], fewest(row)),
  };
}

function yoursText(edit, fit, fewest) {
  if (!edit.use) return "left out";
  return fit ? (fit.ok ? formatPm(fit.k, fit.error, fewest) : "no rate") : "";
}

function textColumn(title, name) {
  return { title, text: (row) => row[name] ?? "", value: (row) => row[name] ?? "" };
}

function numberColumn(title, name, format, unit = "", factor = 1) {
  return { title, unit, number: true, text: (row) => format(row[name]), value: (row) => row[name] * factor };
}

function concentrationColumn(title, name, unit) {
  return numberColumn(title, name, (v) => formatConcentration(v, unit), unit.name, unit.factor);
}

/** Temperatures as on paper: in °C, to a hundredth. */
function temperatureColumn() {
  const celsius = ({ temperature_K }) => Math.round(100 * (temperature_K - 273.15)) / 100;
  const text = (row) => (Number.isFinite(celsius(row)) ? String(celsius(row)).replace("-", "−") : MISSING);
  return { title: "T", unit: "°C", number: true, text, value: celsius };
}

/** Verdict counts that filter on click, a choice of the experiment, and a search. */
function filterBar(lab, tables, several) {
  const chosen = { verdict: "", experiment: "", text: "" };
  const chips = VERDICTS.map((verdict) => {
    const count = lab.shots.filter((shot) => shot.verdict === verdict).length;
    return element("button", {
      type: "button", class: `chip ${verdict}`, "aria-pressed": "false", "data-verdict": verdict,
      onclick: () => {
        chosen.verdict = chosen.verdict === verdict ? "" : verdict;
        apply();
      },
    }, element("strong", {}, String(count)), ` ${SIGNS[verdict]} ${verdict}`);
  });
  const search = element("input", {
    type: "search", placeholder: "File, condition or reason", "aria-label": "Show rows that hold this text",
    oninput: () => {
      chosen.text = search.value.toLowerCase();
      apply();
    },
  });
  const names = [...new Set(lab.shots.map((shot) => shot.experiment))];
  const choice = element("select", {
    "aria-label": "Experiment",
    onchange: () => {
      chosen.experiment = choice.value;
      apply();
    },
  }, element("option", { value: "" }, "All experiments"),
  ...names.map((name) => element("option", { value: name }, name)));

  function apply() {
    chips.forEach((chip) => chip.setAttribute("aria-pressed", String(chip.dataset.verdict === chosen.verdict)));
    const passes = (row) =>
      (!chosen.verdict || row.verdict === chosen.verdict) &&
      (!chosen.experiment || row.experiment === chosen.experiment) &&
      (!chosen.text || [row.file, row.label, row.reason, row.experiment, row.law]
        .some((text) => text?.toLowerCase().includes(chosen.text)));
    tables[1].setFilter(passes);
    tables[0].setFilter((row) =>
      row.shots_of.length ? row.shots_of.some(passes) : !chosen.verdict && !chosen.text);
  }
  return element("div", { class: "filters no-print", role: "group", "aria-label": "Filter" },
    ...chips, ...(several ? [choice] : []), search);
}
