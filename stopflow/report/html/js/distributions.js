/** Tails of the normal family: Student's quantile, chi-squared, the incomplete beta function. */

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
];

/** Logarithm of the gamma function, x > 0; Lanczos, SIAM J. Numer. Anal. B 1, 86 (1964). */
export function logGamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const t = x + 6.5;
  let sum = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (x - 1 + i);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularised incomplete beta function I_x(a, b), by Lentz's continued fraction. */
export function incompleteBeta(a, b, x) {
  if (!(x > 0)) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(
    a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b),
  );
  if (x > (a + 1) / (a + b + 2)) return 1 - (front * betaFraction(b, a, 1 - x)) / b;
  return (front * betaFraction(a, b, x)) / a;
}

function betaFraction(a, b, x) {
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1));
  let h = d;
  for (let m = 1; m < 10000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return h;

  function guard(value) {
    return Math.abs(value) < tiny ? tiny : value;
  }
}

const Z975 = 1.959963984540054;

/** Student's quantile of 97.5 % for any number of degrees of freedom >= 1. */
export function studentQuantile975(dof) {
  if (dof > 400) return expandedQuantile(dof);
  // Newton on the upper tail, which is convex here; from below it never overshoots far.
  let t = dof < 3 ? 12.7 / dof + 0.6 : expandedQuantile(dof);
  const logFront =
    logGamma((dof + 1) / 2) - logGamma(dof / 2) - 0.5 * Math.log(dof * Math.PI);
  for (let i = 0; i < 60; i++) {
    const tail = 0.5 * incompleteBeta(dof / 2, 0.5, dof / (dof + t * t));
    const density = Math.exp(logFront - ((dof + 1) / 2) * Math.log1p((t * t) / dof));
    const step = (tail - 0.025) / density;
    t = Math.max(t + step, t / 2);
    if (Math.abs(step) < 1e-13 * t) break;
  }
  return t;
}

/** Fisher and Cornish's expansion in 1/dof; Abramowitz and Stegun 26.7.5. */
function expandedQuantile(n) {
  const z = Z975, z2 = z * z;
  const g1 = (z2 + 1) / 4;
  const g2 = ((5 * z2 + 16) * z2 + 3) / 96;
  const g3 = (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
  const g4 = ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
  return z * (1 + (g1 + (g2 + (g3 + g4 / n) / n) / n) / n);
}

/** Chance of a chi-squared value above x: the regularised upper incomplete gamma function. */
export function chiSquaredTail(dof, x) {
  const a = dof / 2, half = x / 2;
  if (!(half > 0)) return 1;
  const front = Math.exp(a * Math.log(half) - half - logGamma(a));
  if (half < a + 1) {
    let term = 1 / a, sum = term;
    for (let n = 1; n < 10000 && term > sum * 1e-17; n++) {
      term *= half / (a + n);
      sum += term;
    }
    return 1 - front * sum;
  }
  let b = half + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (let i = 1; i < 10000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return front * h;
}

/** Chance of a ratio of variances above x, with `above` and `below` degrees of freedom. */
export function fTail(above, below, x) {
  return incompleteBeta(below / 2, above / 2, below / (below + above * x));
}
