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
 * @param {Float64Array} timeS
 * @param {number} startS  Where the time of the law begins.
 * @returns {Float64Array}
 */
export function evaluate(law, parameters, timeS, startS) {
  const y = new Float64Array(timeS.length).fill(parameters.intercept);
  if (law.slope) for (let i = 0; i < y.length; i++) y[i] += parameters.slope_per_s * (timeS[i] - startS);
  for (let phase = 0; phase < law.phases; phase++) {
    const amplitude = parameters[law.linear[phase]], rate = parameters[law.rates[phase]];
    for (let i = 0; i < y.length; i++) y[i] += amplitude * Math.exp(-rate * (timeS[i] - startS));
  }
  return y;
}
