// scipy.ndimage.distance_transform_edt: of each pixel of the mask to the nearest outside it (Meijster, Roerdink and
// Hesselink, Mathematical Morphology and its Applications, 2000). There must be a pixel outside.

export function distanceInside(mask, width, height) {
  const far = width + height, above = new Int32Array(width * height), distance = new Float64Array(width * height);
  for (let x = 0; x < width; x++) columnDistances(mask, above, x, width, height, far);
  const centres = new Int32Array(width), starts = new Int32Array(width);
  for (let y = 0; y < height; y++) rowDistances(above.subarray(y * width, (y + 1) * width), distance, y * width, width, centres, starts);
  return distance;
}

// To the nearest pixel outside in the same column.
function columnDistances(mask, above, x, width, height, far) {
  for (let y = 0, at = x, last = far; y < height; y++, at += width) above[at] = last = mask[at] ? Math.min(last + 1, far) : 0;
  for (let y = height - 1, at = y * width + x, last = far; y >= 0; y--, at -= width) {
    last = mask[at] ? Math.min(last + 1, far) : 0;
    above[at] = Math.min(above[at], last);
  }
}

// The lower envelope of the parabolas of a row.
function rowDistances(above, distance, offset, width, centres, starts) {
  const height = (x, centre) => (x - centre) ** 2 + above[centre] ** 2;
  const meet = (a, b) => Math.floor((b * b - a * a + above[b] ** 2 - above[a] ** 2) / (2 * (b - a)));
  let last = 0;
  centres[0] = starts[0] = 0;
  for (let x = 1; x < width; x++) {
    while (last >= 0 && height(starts[last], centres[last]) > height(starts[last], x)) last--;
    if (last < 0) { last = 0; centres[0] = x; continue; }
    const from = 1 + meet(centres[last], x);
    if (from < width) { last++; centres[last] = x; starts[last] = from; }
  }
  for (let x = width - 1; x >= 0; x--) {
    distance[offset + x] = Math.sqrt(height(x, centres[last]));
    if (x === starts[last]) last--;
  }
}
