/**
 * The rate laws that the page can fit: sums of exponentials over a straight line.
 *
 *     y(t) = sum_i c_i exp(-k_i t) [+ a t] + b,   t in seconds since the start of the fit
 *
 * The names of the parameters are those of the tables that Python writes.
 */

/**
 * @typedef {object} RateLaw
 * @property {string} key        Name in settings, tables and decisions.
 * @property {string} label      Name in the page.
 * @property {string} formula
 * @property {number} phases     Number of exponentials.
 * @property {boolean} slope     Whether the baseline has a slope.
 * @property {string[]} rates    Names of the nonlinear parameters.
 * @property {string[]} linear   Names of the linear parameters, amplitudes first.
 */

/** @param {string} key @param {string} label @param {number} phases @param {boolean} slope */
function sumOfExponentials(key, label, phases, slope) {
  const suffixes = Array.from({ length: phases }, (_, i) => (i ? String(i + 1) : ""));
  const terms = suffixes.map((s) => `c${s} exp(−k${s} t)`);
  return {
    key,
    label,
    formula: ["y = " + terms.join(" + "), ...(slope ? ["a t"] : []), "b"].join(" + "),
    phases,
    slope,
    rates: suffixes.map((s) => `k${s}_per_s`),
    linear: [...suffixes.map((s) => `amplitude${s}`), ...(slope ? ["slope_per_s"] : []), "intercept"],
  };
}

/** @type {Record<string, RateLaw>} */
export const LAWS = Object.fromEntries(
  [
    sumOfExponentials("single", "single", 1, false),
    sumOfExponentials("single-slope", "single + slope", 1, true),
    sumOfExponentials("double", "double", 2, false),
    sumOfExponentials("double-slope", "double + slope", 2, true),
    sumOfExponentials("triple", "triple", 3, false),
  ].map((law) => [law.key, law]),
);

/**
 * Evaluates a law.
 * @param {RateLaw} law
 * @param {Record<string, number>} parameters
 * @param {number} t  Seconds since the start.
 */
export function evaluate(law, parameters, t) {
  let y = parameters.intercept + (law.slope ? parameters.slope_per_s * t : 0);
  for (let i = 0; i < law.phases; i++) {
    y += parameters[law.linear[i]] * Math.exp(-parameters[law.rates[i]] * t);
  }
  return y;
}
