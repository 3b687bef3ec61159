// scipy.ndimage.gaussian_filter of a plane with sigma 1: mode "reflect", cut off at 4 sigma.
const REACH = 4;
const WEIGHTS = (() => {
  const weights = Float64Array.from({ length: REACH + 1 }, (_, away) => Math.exp(-0.5 * away * away));
  const sum = weights[0] + 2 * weights.subarray(1).reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
})();

// plane: Float32Array or Float64Array; the result is of the same kind, rounded to it after each axis as SciPy does.
export function smooth(plane, width, height) {
  const halfway = new plane.constructor(plane.length), result = new plane.constructor(plane.length);
  for (let x = 0; x < width; x++) smoothLine(plane, halfway, x, width, height);
  for (let y = 0; y < height; y++) smoothLine(halfway, result, y * width, 1, width);
  return result;
}

let line = new Float64Array(0);
function smoothLine(from, to, start, step, length) {
  if (line.length < length + 2 * REACH) line = new Float64Array(length + 2 * REACH);
  for (let place = -REACH; place < length + REACH; place++) line[place + REACH] = from[start + reflected(place, length) * step];
  for (let place = 0, at = start; place < length; place++, at += step) {
    const middle = place + REACH;
    let sum = line[middle] * WEIGHTS[0];
    for (let away = REACH; away > 0; away--) sum += (line[middle - away] + line[middle + away]) * WEIGHTS[away];
    to[at] = sum;
  }
}

// ... c b a | a b c | c b a ..., over and over where the line is shorter than the reach.
function reflected(place, length) {
  if (place >= 0 && place < length) return place;
  const round = ((place % (2 * length)) + 2 * length) % (2 * length);
  return round < length ? round : 2 * length - 1 - round;
}
