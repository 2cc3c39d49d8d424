/** Small dense linear algebra: matrices are arrays of columns (long) or of rows (small). */

const buffers = new Map();

/**
 * Long arrays that are used again: fresh memory costs more than the sums it is used for.
 * @param {string} owner  Arrays of one owner are overwritten by its next call.
 * @param {number} count
 * @param {number} size
 * @returns {Float64Array[]}
 */
export function workspace(owner, count, size) {
  const held = buffers.get(owner) ?? { room: [], views: [] };
  buffers.set(owner, held);
  // Making a view is not free either: while the size stays the views stay.
  if (held.views.length === count && held.views[0]?.length === size) return held.views;
  held.views = Array.from({ length: count }, (_, i) => {
    if (!(held.room[i]?.length >= size)) held.room[i] = new Float64Array(Math.ceil(size * 1.25));
    return held.room[i].subarray(0, size);
  });
  return held.views;
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export function dot(a, b) {
  return dotFrom(a, b, 0);
}

/** The product of what lies at `first` and after it. */
function dotFrom(a, b, first) {
  // Four running sums: shorter rounding chains, and faster.
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, i = first;
  const n = a.length, whole = n - 3;
  for (; i < whole; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < n; i++) s0 += a[i] * b[i];
  return s0 + s1 + (s2 + s3);
}

/** target += factor * other */
export function addScaled(target, factor, other) {
  for (let i = 0; i < target.length; i++) target[i] += factor * other[i];
}

/** Takes the parts along orthonormal rows off a vector. */
export function removeRows(vector, rows) {
  for (const row of rows) addScaled(vector, -dot(row, vector), row);
}

/** Makes rows orthonormal, in place: Gram and Schmidt, twice over. */
export function orthonormalise(rows) {
  rows.forEach((row, at) => {
    for (let pass = 0; pass < 2; pass++) removeRows(row, rows.slice(0, at));
    const norm = 1 / Math.sqrt(dot(row, row));
    for (let i = 0; i < row.length; i++) row[i] *= norm;
  });
  return rows;
}

/**
 * Cholesky's factor of a symmetric positive definite matrix that is scaled to a unit diagonal.
 * @param {number[][]} matrix
 * @returns {{lower: number[][], scale: number[]} | null}  Null where it is not positive definite.
 */
export function factorPositive(matrix) {
  const scale = matrix.map((row, i) => 1 / Math.sqrt(row[i]));
  if (!scale.every((s) => s > 0 && s < Infinity)) return null;
  const lower = matrix.map((row, i) => row.map((value, j) => value * scale[i] * scale[j])), n = scale.length;
  for (let j = 0; j < n; j++) {
    for (let k = 0; k < j; k++) lower[j][j] -= lower[j][k] * lower[j][k];
    if (!(lower[j][j] > 0)) return null;
    lower[j][j] = Math.sqrt(lower[j][j]);
    for (let i = j + 1; i < n; i++) {
      for (let k = 0; k < j; k++) lower[i][j] -= lower[i][k] * lower[j][k];
      lower[i][j] /= lower[j][j];
    }
  }
  return { lower, scale };
}

/** Solves a symmetric positive definite system; null where it is none. */
export function solvePositive(matrix, right) {
  const factor = factorPositive(matrix);
  return factor && solveFactored(factor, right);
}

export function solveFactored({ lower, scale }, right) {
  const n = right.length, x = right.map((value, i) => value * scale[i]);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= lower[i][k] * x[k];
    x[i] /= lower[i][i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= lower[k][i] * x[k];
    x[i] /= lower[i][i];
  }
  return x.map((value, i) => value * scale[i]);
}

/**
 * Least squares by Householder reflections: the columns become the triangle R, `right` becomes
 * Q'right. Both are overwritten.
 * @param {Float64Array[]} columns
 * @param {Float64Array} right
 * @returns {number[][]}  R by rows, with a diagonal of either sign.
 */
export function triangularise(columns, right) {
  const p = columns.length, n = right.length;
  const upper = columns.map(() => new Array(p).fill(0));
  for (let j = 0; j < p; j++) {
    const v = columns[j];
    const length = Math.sqrt(dotFrom(v, v, j));
    const beta = v[j] > 0 ? -length : length;
    upper[j][j] = beta;
    if (length === 0) continue;
    v[j] -= beta;
    const factor = 2 / dotFrom(v, v, j);
    for (let k = j + 1; k <= p; k++) {
      const other = k < p ? columns[k] : right;
      const scale = factor * dotFrom(v, other, j);
      for (let i = j; i < n; i++) other[i] -= scale * v[i];
      if (k < p) upper[j][k] = other[j];
    }
  }
  return upper;
}

/**
 * Inverts an upper triangle.
 * @param {number[][]} upper
 */
export function invertUpper(upper) {
  const p = upper.length;
  const inverse = upper.map(() => new Array(p).fill(0));
  for (let j = 0; j < p; j++) {
    inverse[j][j] = 1 / upper[j][j];
    for (let i = j - 1; i >= 0; i--) {
      let s = 0;
      for (let k = i + 1; k <= j; k++) s += upper[i][k] * inverse[k][j];
      inverse[i][j] = -s / upper[i][i];
    }
  }
  return inverse;
}
