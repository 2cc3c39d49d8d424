/** Numbers as a chemist writes them: no more digits than the error leaves. */

export const MISSING = "–";
/** Part of a unit of the last digit from which on an error is rounded up to that unit. */
const KEPT_HALF = 0.51;
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A parameter as it is written: k2_per_s is k₂. */
export function symbolOf(name) {
  return name.replace(/_per_s$/, "").replace(/\d$/, (digit) => String.fromCharCode(0x2080 + Number(digit)));
}

/** Decimals that a standard error leaves: two digits while it begins with 1 or 2, else one. */
function errorDecimals(error) {
  const exponent = Math.floor(Math.log10(error));
  return (error / 10 ** exponent < 2.95 ? 1 : 0) - exponent;
}

/** Decimals of a column: the fewest that its errors leave, 0 without one. */
export function columnDecimals(errors) {
  const decimals = errors.filter((error) => error > 0 && error < Infinity).map(errorDecimals);
  return decimals.reduce((fewest, one) => Math.min(fewest, one), decimals[0] ?? 0);
}

/**
 * Decimals of a value in a column, as on paper: an error that begins with 1 or 2 keeps one digit
 * where the column has fewer decimals (0.017 beside 0.03 is 0.02), and 0.08 beside 0.3 is 0.1; none is
 * rounded to 0.
 */
function evenDecimals(error, fewest) {
  return Math.min(errorDecimals(error), Math.max(fewest, -Math.floor(Math.log10(error / KEPT_HALF))));
}

function plain(value, decimals) {
  const rounded = decimals < 0 ? Math.round(value * 10 ** decimals) / 10 ** decimals : value;
  const text = rounded.toFixed(Math.max(decimals, 0));
  // A value that rounds to 0 has no sign.
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

function power(exponent) {
  const digits = String(Math.abs(exponent)).replace(/\d/g, (d) => SUPERSCRIPTS[Number(d)]);
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** A value with a number of significant digits. */
export function formatDigits(value, digits) {
  if (!Number.isFinite(value)) return value === Infinity ? "open" : MISSING;
  if (value === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toExponential(digits - 1)))));
  if (exponent > -4 && exponent < 6) return plain(value, digits - 1 - exponent);
  return `${plain(value / 10 ** exponent, digits - 1)}×${power(exponent)}`;
}

/** ``12.34 ± 0.12``, or ``(1.23 ± 0.04)×10⁶`` for large and small values; `fewest` is its column's. */
export function formatPm(value, error, fewest = Infinity) {
  if (!Number.isFinite(value)) return MISSING;
  if (!(error > 0 && error < Infinity)) return formatDigits(value, 4);
  const exponent = Math.floor(Math.log10(Math.max(Math.abs(value), error)));
  const decimals = evenDecimals(error, fewest);
  if (exponent > -4 && exponent < 5) return `${plain(value, decimals)} ± ${plain(error, decimals)}`;
  const scale = 10 ** exponent, places = Math.max(decimals + exponent, 0);
  return `(${plain(value / scale, places)} ± ${plain(error / scale, places)})×${power(exponent)}`;
}

/** A value cut where its error begins. */
export function formatValue(value, error, fewest = Infinity) {
  if (!Number.isFinite(value)) return value === Infinity ? "open" : MISSING;
  if (!(error > 0 && error < Infinity)) return formatDigits(value, 4);
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  const decimals = evenDecimals(error, fewest);
  if (exponent > -4 && exponent < 5) return plain(value, decimals);
  return formatDigits(value, Math.max(1, exponent + decimals + 1));
}

export function formatInterval(low, high, error, fewest = Infinity) {
  if (Number.isNaN(low) && Number.isNaN(high)) return MISSING;
  const say = (end) => formatValue(end, error, fewest);
  if (high === Infinity) return low > 0 ? `above ${say(low)}` : "open";
  return `${say(low)} to ${say(high)}`;
}

/** A concentration in the unit of the lab. */
export function formatConcentration(molar, unit) {
  if (!Number.isFinite(molar)) return MISSING;
  const text = formatDigits(molar * unit.factor, 4);
  return text.includes(".") && !text.includes("×") ? text.replace(/\.?0+$/, "") : text;
}

/** A count with its noun. */
export function countThings(count, thing) {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

/** The number as it was, in the fewest digits that give it back. */
export function exactText(value) {
  return Number.isFinite(value) ? String(value) : "";
}
