/**
 * Fits one trace in the page as the Python side does: a global search on block means, Newton on
 * all points, errors with correlated noise, the profile interval, the test of the residuals.
 */

import { phaseEvidence, noAmplitude } from "./evidence.js";
import { ALL_DIGITS, AT_A_GLANCE, NO_INTERVAL } from "./interval.js";
import { LAWS } from "./laws.js";
import { findInseparable } from "./phases.js";
import { limitsOf, pinParameters, project, thetaUnit } from "./problem.js";
import { quote } from "./quote.js";
import { refine, refineFrame } from "./refine.js";
import { descend, searchRates } from "./search.js";
import { MIN_POINTS, Refusal, blockMeans, cutWindow } from "./window.js";

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
 * @property {number} curveLength  Of the curve of shapes, for the test of significance.
 */

/**
 * @param {Float64Array} timeS
 * @param {Float64Array} signal
 * @param {Choice} choice
 * @returns {TraceFit | Refusal}
 */
export function fitTrace(timeS, signal, choice) {
  return fitTo(ALL_DIGITS, timeS, signal, choice);
}

function fitTo(accuracy, timeS, signal, choice) {
  const begun = beginFit(timeS, signal, choice);
  if (begun instanceof Refusal) return begun;
  const { problem, window } = begun;
  return finishFit(begun, searchRates(problem, blockMeans(window), window.fastest), choice, { accuracy, toMinimum: refine });
}

/**
 * Fits a window that is being dragged: the minimum near the one of the window before, with the
 * digits that can be read while it moves. The fit that stays is one of `fitTrace`.
 * @param {Float64Array} timeS
 * @param {Float64Array} signal
 * @param {Choice} choice
 * @param {TraceFit|object} last  A fit of the same rate law to a window near by, or the `nearest` of a refusal.
 * @returns {TraceFit | Refusal}
 */
export function followTrace(timeS, signal, choice, last) {
  const begun = beginFit(timeS, signal, choice);
  if (begun instanceof Refusal) return begun;
  const { problem, window } = begun, theta = problem.theta.slice();
  for (const index of problem.freeRates) {
    const { law } = problem, name = law.rates[index], [low, high] = limitsOf(law, index, window.fastest);
    theta[index] = Math.min(Math.max(last.parameters[name] / thetaUnit(law, name, window), low), high);
  }
  const blocks = blockMeans(window), { fastest } = window;
  const near = descend(problem, blocks, theta, { fastest, tolerance: 1e-4, most: AT_A_GLANCE.descents });
  return finishFit(begun, { ...near, curveLength: last.curveLength }, choice, { accuracy: AT_A_GLANCE, toMinimum: refineFrame });
}

/** The fit of `fitTrace`, refused where the data cannot tell the phases apart: what the tables hold. */
export function fitSeparable(timeS, signal, choice) {
  const fitAs = (law) => fitTo(NO_INTERVAL, timeS, signal, { ...choice, law });
  return separable(fitTrace(timeS, signal, choice), choice, fitAs);
}

/** The same of `followTrace`; other laws take longer than a frame and are not tried. */
export function followSeparable(timeS, signal, choice, last) {
  return separable(followTrace(timeS, signal, choice, last), choice, null);
}

function separable(fit, choice, fitAs) {
  const refusal = fit.ok ? findInseparable(fit, choice.fixed ?? {}, fitAs) : null;
  return refusal ? Object.assign(refusal, { nearest: fit }) : fit;
}

function beginFit(timeS, signal, choice) {
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
  return { window, problem: pinParameters(choice.law, fixed, window), fixed };
}

/** From the minimum over block means to the numbers; a refusal says where the search had come to. */
function finishFit(begun, searched, choice, how) {
  const found = judgeMinimum(begun, searched, choice, how);
  if (found instanceof Refusal) {
    const { window, window: { startS, lengthS }, problem: { law } } = begun;
    const parameters = Object.fromEntries(law.rates.map((name, i) => [name, searched.theta[i] * thetaUnit(law, name, window)]));
    found.nearest = { law: law.key, parameters, curveLength: searched.curveLength, startS, windowS: lengthS };
  }
  return found;
}

function judgeMinimum({ window, problem, fixed }, searched, choice, { accuracy, toMinimum }) {
  const edge = edgeRefusal(problem, searched.theta, window);
  if (edge) return noiseAtEdge(problem, window, searched) ?? edge;
  const solved = toMinimum(problem, window, searched.theta, searched.linear);
  if (solved instanceof Refusal) return solved;
  const { curveLength } = searched, evidence = phaseEvidence(problem, window, solved.rss, curveLength);
  return noAmplitude(evidence, 1) ?? quote(problem, window, solved, { evidence, curveLength, fixed, choice, accuracy });
}

function edgeRefusal({ law, freeRates }, theta, { fastest, lengthS }) {
  for (const index of freeRates) {
    const [low, high] = limitsOf(law, index, fastest), name = law.rates[index];
    const below = theta[index] <= low * (1 + 1e-6), above = theta[index] >= high * (1 - 1e-6);
    if (name in law.ranges && (below || above)) {
      return new Refusal(
        "parameters undetermined",
        `${name} would leave the range ${low} to ${high}: the trace does not have the shape of ${law.title}`,
      );
    }
    if (below) {
      const limit = (low / lengthS).toPrecision(3);
      return new Refusal(
        "too slow for the window",
        `no decay within the window: k would be below ${limit}/s, or the curve bends the other way`,
      );
    }
    if (above) {
      const limit = (high / lengthS).toPrecision(4);
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
  if (problem.law.phases > 1 || problem.law.shape || !problem.freeLinear.includes(0)) return null;
  const [low, high] = limitsOf(problem.law, 0, window.fastest), edge = theta.map((kT) => Math.min(Math.max(kT, low), high));
  const root = new Float64Array(window.time.length).fill(1);
  const { misfit } = project(problem, { ...window, root }, edge);
  return noAmplitude(phaseEvidence(problem, window, misfit, curveLength), 1);
}
