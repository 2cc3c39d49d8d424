/** From the minimum to the numbers that are quoted: errors, intervals, the test of the residuals. */

import { addScaled, dot, workspace } from "./algebra.js";
import { studentQuantile975 } from "./distributions.js";
import { noAmplitude } from "./evidence.js";
import { profileInterval } from "./interval.js";
import { noiseCorrelation } from "./noise.js";
import { fillShape } from "./laws.js";
import { linearUnit, thetaUnit } from "./problem.js";
import { linearise } from "./refine.js";
import { testResiduals } from "./residuals.js";
import { findLevels, isRounded, roundingInflation, roundingSd } from "./rounding.js";

const LARGEST_INFLATION = 4.4;
const EXACT_NOISE = 1e-9;
const FEW_LEVELS = 64;

/** From dimensionless numbers to those quoted. */
export function quote(problem, window, solved, { evidence, curveLength, fixed, choice, accuracy }) {
  const { law, freeRates, freeLinear, count } = problem;
  const points = window.time.length, dof = points - count;
  const noise = Math.sqrt(Math.max(solved.rss, 0) / dof);
  const names = [...freeRates.map((i) => law.rates[i]), ...freeLinear.map((i) => law.linear[i])];
  const unit = (name) => (law.rates.includes(name) ? thetaUnit(law, name, window) : linearUnit(name, window));
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
  const { step, levels } = findLevels(window, accuracy.coarse), rounded = isRounded(step, noise);
  const factors = rounded
    ? factorsOfRounding(problem, window, solved, { residuals, step, noiseSd: noise })
    : names.map(() => (correlation.significant ? correlation.inflation : 1));
  const rest = choice.startInflation ?? 1, interval = {}, stderr = {};
  for (const name of Object.keys(white)) stderr[name] = 0;
  names.forEach((name, i) => (stderr[name] = white[name] * factors[i] * rest));
  law.rates.forEach((name, index) => {
    const k = parameters[name];
    if (name in fixed || noise === 0 || !accuracy.descents) return (interval[name] = [k, k]);
    const inflation = factors[names.indexOf(name)] * rest;
    const quantile = studentQuantile975(Math.max(dof / inflation ** 2, 1)) * inflation;
    const at = { theta: solved.theta, index, variance: noise ** 2, quantile, error: white[name] / k, accuracy };
    return (interval[name] = profileInterval(problem, window, at).map((value) => value * unit(name)));
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
    misfit: exact ? { ratio: 1, chance: 1 } : testResiduals(residuals, count, roundingSd(step, noise)),
    // Steps of a coarse digitiser alone are no misfit.
    coarse: rounded && levels < FEW_LEVELS,
    rss: solved.rss * window.unit ** 2,
    points,
    dof,
    curveLength,
    startS: window.startS,
    windowS: window.lengthS,
  });
}

/** Of the curve as fitted, and without a slope below one step: the larger of both for each. */
function factorsOfRounding(problem, window, solved, { residuals, step, noiseSd }) {
  const { columns } = linearise(problem, window, solved), { time, signal } = window;
  const curve = signal.map((value, i) => value - residuals[i]);
  const slope = problem.law.slope ? solved.linear[problem.law.phases] : 0;
  const level = Math.abs(slope) * (time[time.length - 1] - time[0]) < step
    ? curve.map((value, i) => value - slope * (time[i] - time[time.length - 1])) : curve;
  const [own, other] = [curve, level].map((shape) =>
    roundingInflation(columns, solved.inverse, shape, { step, noiseSd }));
  return own.map((factor, i) => Math.max(factor, other[i]));
}

function residualsOf({ law }, { time, signal }, { theta, linear }) {
  const n = time.length, [rest, shape] = workspace("residuals", 2, n);
  const slope = law.slope ? linear[law.phases] : 0, intercept = linear[linear.length - 1];
  for (let i = 0; i < n; i++) rest[i] = signal[i] - (slope * time[i] + intercept);
  for (let phase = 0; phase < law.phases; phase++) {
    fillShape(law, shape, time, theta, phase);
    addScaled(rest, -linear[phase], shape);
  }
  return rest;
}

/** Puts the phases in the order of falling rates, where nothing fixed tells them apart. */
function orderPhases(law, fixed, fit) {
  const names = law.rates.map((rate, i) => (law.shape ? [rate] : [rate, law.linear[i]]));
  if (!law.exchangeable || names.flat().some((name) => name in fixed)) return fit;
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
