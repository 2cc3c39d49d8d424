/**
 * Curves of rate laws that are no sums of exponentials: from 1 at the start to 0 at the end, and
 * their derivatives in the nonlinear parameters. Times and rates in any one unit.
 *
 * @typedef {object} Shape
 * @property {(t: number, theta: number[]) => number} value
 * @property {((t: number, theta: number[]) => number)[]} slopes  One a parameter.
 */

/** Below this |x| the series of a difference is taken instead of the difference. */
const SERIES_BELOW = 1e-2, MEAN_BELOW = 1e-8;
/** Exponents beyond this have left nothing of their exponential. */
const GONE = 700;

/** (1 - exp(-x)) / x */
const meanDecay = (x) => (Math.abs(x) < MEAN_BELOW ? 1 - x / 2 : -Math.expm1(-x) / x);
const stretchedPower = (t, [k, beta]) => Math.min((k * t) ** beta, GONE);

/** @type {Shape} */
export const STRETCHED = {
  value: (t, theta) => Math.exp(-stretchedPower(t, theta)),
  slopes: [
    (t, theta) => {
      const x = stretchedPower(t, theta);
      return (-theta[1] * x * Math.exp(-x)) / theta[0];
    },
    (t, theta) => {
      const x = stretchedPower(t, theta);
      return t > 0 ? -x * Math.exp(-x) * Math.log(theta[0] * t) : 0;
    },
  ],
};

/** @type {Shape} */
export const SECOND_ORDER = {
  value: (t, [k]) => 1 / (1 + k * t),
  slopes: [(t, [k]) => -t / (1 + k * t) ** 2],
};

/** @type {Shape} */
export const BURST = { value: (t, [k]) => -Math.expm1(-k * t), slopes: [(t, [k]) => t * Math.exp(-k * t)] };

/** exp(-x) / (1 + r k t F(x)) with x = (1 - r) k t and F(x) = (1 - exp(-x)) / x. */
function unequal(t, [k, r]) {
  const scaled = k * t, x = Math.min(scaled * (1 - r), GONE), mean = meanDecay(x), decay = Math.exp(-x);
  const denominator = 1 + r * scaled * mean;
  return { scaled, x, mean, decay, denominator, phi: decay / denominator };
}

/** @type {Shape} */
export const SECOND_ORDER_UNEQUAL = {
  value: (t, theta) => unequal(t, theta).phi,
  slopes: [
    (t, theta) => {
      const { phi } = unequal(t, theta);
      return -t * phi * (1 + theta[1] * (phi - 1));
    },
    (t, theta) => {
      const { scaled, x, mean, decay, denominator, phi } = unequal(t, theta);
      const slope = Math.abs(x) < SERIES_BELOW
        ? -1 / 2 + x / 3 - x ** 2 / 8 + x ** 3 / 30 - x ** 4 / 144
        : (decay - mean) / x;
      return phi * scaled - (phi * (scaled * mean - theta[1] * scaled ** 2 * slope)) / denominator;
    },
  ],
};

function lagSlope(t, theta, index) {
  const fast = Math.max(...theta), slow = Math.min(...theta), x = (fast - slow) * t;
  const ofFast = index === theta.indexOf(fast);
  let part;
  if (x < SERIES_BELOW) {
    part = ofFast
      ? 1 / 2 - x / 3 + x ** 2 / 8 - x ** 3 / 30 + x ** 4 / 144 - x ** 5 / 840
      : 1 / 2 - x / 6 + x ** 2 / 24 - x ** 3 / 120 + x ** 4 / 720 - x ** 5 / 5040;
  } else part = ofFast ? (1 - (1 + x) * Math.exp(-x)) / x ** 2 : (Math.expm1(-x) + x) / x ** 2;
  return -t * t * Math.exp(-slow * t) * (ofFast ? slow : fast) * part;
}

/** Two steps in a row, of which only the last product is seen. @type {Shape} */
export const LAG = {
  value: (t, [a, b]) => {
    const fast = Math.max(a, b), slow = Math.min(a, b);
    return Math.exp(-slow * t) * (1 + slow * t * meanDecay((fast - slow) * t));
  },
  slopes: [0, 1].map((index) => (t, theta) => lagSlope(t, theta, index)),
};
