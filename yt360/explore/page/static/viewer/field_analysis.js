/** Measures where sound comes from: a window of the four channels around a time. */

/**
 * Return the covariance of W, Y, Z, X (16 numbers, row by row) in a window of a recording.
 *
 * @param channels - Four Float32Array of one length: W, Y, Z, X.
 * @param first, count - The window in samples; it is cut where it leaves the recording.
 */
export function covariance(channels, first, count) {
  const start = Math.max(0, first);
  const end = Math.min(channels[0].length, first + count);
  const sums = new Float64Array(16);
  for (let i = 0; i < 4; i += 1) {
    for (let j = i; j < 4; j += 1) {
      const [a, b] = [channels[i], channels[j]];
      let sum = 0;
      for (let n = start; n < end; n += 1) sum += a[n] * b[n];
      sums[4 * i + j] = sums[4 * j + i] = end > start ? sum / (end - start) : 0;
    }
  }
  return sums;
}

/** Return the power that a cardioid to a unit vector [x, y, z] hears, as `energy_map` in Python. */
export function beamPower(cov, [x, y, z]) {
  const weights = [0.5, 0.5 * y, 0.5 * z, 0.5 * x];
  let power = 0;
  for (let i = 0; i < 4; i += 1) {
    for (let j = 0; j < 4; j += 1) power += weights[i] * weights[j] * cov[4 * i + j];
  }
  return Math.max(0, power);
}

/**
 * Return {vector, level, focus} of a sound field by its covariance.
 *
 * `vector` is the unit vector of the active intensity (null if there is none), `level` the power of
 * W in dB, and `focus` is 1 for one plane wave and 0 for a diffuse field.
 */
export function soundDirection(cov) {
  const intensity = [cov[3], cov[1], cov[2]];
  const length = Math.hypot(...intensity);
  const density = (cov[0] + cov[5] + cov[10] + cov[15]) / 2;
  const level = 10 * Math.log10(Math.max(cov[0], 1e-12));
  if (length < 1e-12) return { vector: null, level, focus: 0 };
  const vector = intensity.map((each) => each / length);
  return { vector, level, focus: Math.min(1, length / density) };
}
