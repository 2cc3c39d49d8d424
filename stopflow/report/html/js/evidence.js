/** Whether the phases of a fit are more than noise. */

import { addScaled, dot, orthonormalise, removeRows, workspace } from "./algebra.js";
import { incompleteBeta } from "./distributions.js";
import { Refusal } from "./window.js";

const FALSE_ALARM = 1e-4;

/** What the phases explain beyond the baseline; fixed amplitudes are taken on trust. */
export function phaseEvidence(problem, { time, signal }, rss, curveLength) {
  const { law, freeLinear, offset } = problem;
  if (offset.slice(0, law.phases).some((value) => value !== 0)) return null;
  const [rest, ...columns] = workspace("evidence", 1 + law.linear.length - law.phases, time.length), frame = [];
  rest.set(signal);
  for (let index = law.linear.length - 1; index >= law.phases; index--) {
    const column = columns[index - law.phases];
    if (law.linear[index] === "slope_per_s") column.set(time);
    else column.fill(1);
    if (offset[index]) addScaled(rest, -offset[index], column);
    if (freeLinear.includes(index)) frame.push(column);
  }
  orthonormalise(frame);
  for (let pass = 0; pass < 2; pass++) removeRows(rest, frame);
  const explained = Math.max(0, 1 - rss / dot(rest, rest));
  return { explained, length: curveLength, free: time.length - frame.length };
}

/**
 * Refuses phases that noise alone could have made: the volume of a tube around the curve of
 * shapes; Hotelling, Am. J. Math. 61, 440 (1939), 10.2307/2371512.
 */
export function noAmplitude(evidence, inflation) {
  if (!evidence || evidence.explained >= 1) return null;
  const ratio = evidence.explained / (1 - evidence.explained) / inflation ** 2;
  const part = ratio / (1 + ratio), free = evidence.free;
  const ends = incompleteBeta((free - 1) / 2, 0.5, 1 - part);
  const way = (evidence.length / Math.PI) * Math.exp(((free - 2) / 2) * Math.log1p(-part));
  const chance = Math.min(1, ends + way);
  if (chance <= FALSE_ALARM) return null;
  return new Refusal(
    "no amplitude",
    "the amplitude cannot be told from zero: noise alone does as much with a chance of " +
      chance.toPrecision(2),
  );
}
