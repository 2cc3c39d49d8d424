/**
 * Fits one trace in the page as the Python side does: a global search on block means, Newton on
 * all points, errors with correlated noise, the profile interval, the test of the residuals.
 */

import { addScaled, dot, orthonormalise, removeRows } from "./algebra.js";
import { incompleteBeta, studentQuantile975 } from "./distributions.js";
import { profileInterval } from "./interval.js";
import { LAWS, evaluate } from "./laws.js";
import { misfitTest, noiseCorrelation } from "./noise.js";
import { linearUnit, pinParameters, project } from "./problem.js";
import { refine } from "./refine.js";
import { searchRates } from "./search.js";
import { MIN_POINTS, Refusal, SLOWEST_KT, blockMeans, cutWindow } from "./window.js";

const FALSE_ALARM = 1e-4;
const LARGEST_INFLATION = 4.4;
const EXACT_NOISE = 1e-9;

/**
 * @typedef {object} Choice
 * @property {string} law
 * @property {number|null} [startS]
 * @property {number|null} [endS]
 * @property {Uint8Array|null} [excluded]        1 for points that are left out.
 * @property {Record<string, number>} [fixed]
 * @property {number} [startInflation]           On errors, for what is left of the artefact.
 */

/**
 * @typedef {object} TraceFit
 * @property {boolean} ok
 * @property {Record<string, number>} parameters
 * @property {Record<string, number>} stderr     With correlated noise.
 * @property {Record<string, [number, number]>} interval  95 %, of the rates.
 */

/**
 * @param {Float64Array} timeS
 * @param {Float64Array} signal
 * @param {Choice} choice
 * @returns {TraceFit | Refusal}
 */
export function fitTrace(timeS, signal, choice) {
  const law = LAWS[choice.law], fixed = choice.fixed ?? {};
  const count = law.rates.length + law.linear.length - Object.keys(fixed).length;
  const window = cutWindow(timeS, signal, {
    startS: choice.startS,
    endS: choice.endS,
    excluded: choice.excluded,
    needed: Math.max(MIN_POINTS, count + 1, 3),
    centred: !("intercept" in fixed),
  });
  if (window instanceof Refusal) return window;
  const problem = pinParameters(choice.law, fixed, window);
  const searched = searchRates(problem, blockMeans(window), window.fastest);
  const edge = edgeRefusal(problem, searched.theta, window);
  if (edge) return noiseAtEdge(problem, window, searched) ?? edge;
  const solved = refine(problem, window, searched.theta, searched.linear);
  if (solved instanceof Refusal) return solved;
  const evidence = phaseEvidence(problem, window, solved.rss, searched.curveLength);
  const weak = noAmplitude(evidence, 1);
  if (weak) return weak;
  return quote(problem, window, solved, { evidence, fixed, choice });
}

function edgeRefusal({ freeRates }, theta, { fastest, lengthS }) {
  for (const index of freeRates) {
    if (theta[index] <= SLOWEST_KT * (1 + 1e-6)) {
      const limit = (SLOWEST_KT / lengthS).toPrecision(3);
      return new Refusal(
        "too slow for the window",
        `no decay within the window: k would be below ${limit}/s, or the curve bends the other way`,
      );
    }
    if (theta[index] >= fastest * (1 - 1e-6)) {
      const limit = (fastest / lengthS).toPrecision(4);
      return new Refusal(
        "too fast for the sampling",
        `the signal falls within the first points: k would be above ${limit}/s`,
      );
    }
  }
  return null;
}

/** One exponential at the edge of what can be seen may be no more than noise: that is said first. */
function noiseAtEdge(problem, window, { theta, curveLength }) {
  if (problem.law.phases > 1 || !problem.freeLinear.includes(0)) return null;
  const edge = theta.map((kT) => Math.min(Math.max(kT, SLOWEST_KT), window.fastest));
  const root = new Float64Array(window.time.length).fill(1);
  const { misfit } = project(problem, { ...window, root }, edge);
  return noAmplitude(phaseEvidence(problem, window, misfit, curveLength), 1);
}

/** What the phases explain beyond the baseline; fixed amplitudes are taken on trust. */
function phaseEvidence(problem, { time, signal }, rss, curveLength) {
  const { law, freeLinear, offset } = problem;
  if (offset.slice(0, law.phases).some((value) => value !== 0)) return null;
  const rest = signal.slice(), frame = [];
  for (let index = law.linear.length - 1; index >= law.phases; index--) {
    const column = new Float64Array(time.length);
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
function noAmplitude(evidence, inflation) {
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

/** From dimensionless numbers to those quoted. */
function quote(problem, window, solved, { evidence, fixed, choice }) {
  const { law, freeRates, freeLinear, count } = problem;
  const points = window.time.length, dof = points - count;
  const noise = Math.sqrt(Math.max(solved.rss, 0) / dof);
  const names = [...freeRates.map((i) => law.rates[i]), ...freeLinear.map((i) => law.linear[i])];
  const unit = (name) => (law.rates.includes(name) ? 1 / window.lengthS : linearUnit(name, window));
  const parameters = {}, white = {};
  law.rates.forEach((name, i) => (parameters[name] = solved.theta[i] * unit(name)));
  law.linear.forEach((name, i) => (parameters[name] = solved.linear[i] * unit(name)));
  if (!("intercept" in fixed)) parameters.intercept += window.centre;
  for (const name of [...law.rates, ...law.linear]) white[name] = 0;
  names.forEach((name, i) => {
    white[name] = Math.sqrt(dot(solved.inverse[i], solved.inverse[i])) * noise * unit(name);
  });
  const residuals = residualsOf(problem, window, solved);
  const correlation = noiseCorrelation(residuals, count);
  if (correlation.significant) {
    const weak = noAmplitude(evidence, Math.min(correlation.inflation, LARGEST_INFLATION));
    if (weak) return weak;
  }
  const own = correlation.significant ? correlation.inflation : 1;
  const inflation = own * (choice.startInflation ?? 1);
  const quantile = studentQuantile975(Math.max(dof / inflation ** 2, 1)) * inflation;
  const interval = {}, stderr = {};
  for (const name of Object.keys(white)) stderr[name] = white[name] * inflation;
  law.rates.forEach((name, index) => {
    const k = parameters[name];
    if (name in fixed || noise === 0) return (interval[name] = [k, k]);
    const at = { theta: solved.theta, index, variance: noise ** 2, quantile, error: white[name] / k };
    return (interval[name] = profileInterval(problem, window, at).map((kt) => kt / window.lengthS));
  });
  const exact = noise <= EXACT_NOISE;
  return orderPhases(law, fixed, {
    ok: true,
    law: law.key,
    parameters,
    stderr,
    interval,
    noiseSd: noise * window.unit,
    noise: correlation,
    misfit: exact ? { ratio: 1, chance: 1 } : misfitTest(residuals, count),
    rss: solved.rss * window.unit ** 2,
    points,
    dof,
    startS: window.startS,
    windowS: window.lengthS,
  });
}

function residualsOf({ law }, { time, signal }, { theta, linear }) {
  const rest = signal.slice(), n = rest.length;
  const slope = law.slope ? linear[law.phases] : 0, intercept = linear[linear.length - 1];
  for (let i = 0; i < n; i++) rest[i] -= slope * time[i] + intercept;
  for (let phase = 0; phase < law.phases; phase++) {
    const amplitude = linear[phase], rate = -theta[phase];
    for (let i = 0; i < n; i++) rest[i] -= amplitude * Math.exp(rate * time[i]);
  }
  return rest;
}

/** Puts the phases in the order of falling rates, where nothing fixed tells them apart. */
function orderPhases(law, fixed, fit) {
  const names = law.rates.map((rate, i) => [rate, law.linear[i]]);
  if (names.length < 2 || names.flat().some((name) => name in fixed)) return fit;
  const order = names.slice().sort((a, b) => fit.parameters[b[0]] - fit.parameters[a[0]]);
  for (const table of [fit.parameters, fit.stderr, fit.interval]) {
    const before = { ...table };
    order.forEach((pair, to) =>
      pair.forEach((name, part) => {
        if (name in before) table[names[to][part]] = before[name];
      }),
    );
  }
  return fit;
}

/** Signal of a fit at `timeS`, seconds in the trace's own time. */
export function predict(fit, timeS) {
  return evaluate(LAWS[fit.law], fit.parameters, timeS - fit.startS);
}
