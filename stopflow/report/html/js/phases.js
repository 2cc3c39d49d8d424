/** Whether the phases of a fit are numbers that the data can tell apart, as Python judges it. */

import { symbolOf } from "./format.js";
import { LAWS } from "./laws.js";
import { Refusal } from "./window.js";

const COUNTS = { 2: "two", 3: "three" };
const TAIL = "use a law with fewer phases, or record longer and with less noise";
/** What AICc is to rise without a phase that is there; noise alone always makes one that lowers it. */
const AS_GOOD = 6;

/**
 * @param {import("./fit.js").TraceFit} fit
 * @param {Record<string, number>} fixed
 * @param {((law: string) => object)|null} fitAs  The same window by another law; null: not now.
 * @returns {Refusal|null}
 */
export function findInseparable(fit, fixed, fitAs) {
  const law = LAWS[fit.law];
  if (!law.exchangeable || Object.keys(fixed).length) return null;
  const why = openSide(law, fit) ?? overlap(law, fit) ?? (fitAs && simplerLaw(law, fit, fitAs));
  const head = `the trace does not hold ${COUNTS[law.rates.length]} rate constants that can be told apart`;
  return why ? new Refusal("inseparable", `${head}: ${why}`) : null;
}

function openSide(law, { interval }) {
  for (const name of law.rates) {
    const [low, high] = interval[name];
    if (!(low > 0 && high < Infinity)) {
      return `the data set no ${high === Infinity ? "upper" : "lower"} limit to ${symbolOf(name)}; ${TAIL}`;
    }
  }
  return null;
}

function overlap(law, { interval }) {
  for (let i = 0; i + 1 < law.rates.length; i++) {
    const [fast, slow] = law.rates.slice(i, i + 2);
    if (interval[fast][0] <= interval[slow][1]) {
      return `the 95 % intervals of ${symbolOf(fast)} and ${symbolOf(slow)} overlap; ${TAIL}`;
    }
  }
  return null;
}

/** A law of fewer parameters with no clearly higher AICc, the noise being that of the better of the two. */
function simplerLaw(law, fit, fitAs) {
  const size = ({ rates, linear }) => rates.length + linear.length;
  const simpler = law.rivals.map((key) => LAWS[key]).filter((other) => size(other) < size(law));
  for (const other of simpler) {
    const rival = fitAs(other.key);
    if (!rival.ok) continue;
    const better = plainAicc(rival, size(other)) < plainAicc(fit, size(law)) ? rival : fit;
    const inflation = better.noise.significant ? better.noise.inflation : 1;
    if (aicc(rival, size(other), inflation) < aicc(fit, size(law), inflation) + AS_GOOD) {
      return `${other.title} describes it as well with fewer parameters`;
    }
  }
  return null;
}

const plainAicc = (fit, numbers) => aicc(fit, numbers, 1);

/** Hurvich and Tsai, Biometrika 76, 297 (1989), 10.1093/biomet/76.2.297; the variance counts too. */
function aicc({ rss, points }, numbers, inflation) {
  const all = numbers + 1;
  return (points * Math.log(rss / points)) / inflation ** 2 + 2 * all + (2 * all * (all + 1)) / (points - all - 1);
}
