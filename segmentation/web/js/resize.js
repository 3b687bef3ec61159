// cv2.resize of one plane of float32: INTER_LINEAR, and INTER_AREA for shrinking.
const { fround } = Math;

export function resizeLinear(source, width, height, newWidth, newHeight) {
  const across = linearPlaces(width, newWidth, true), down = linearPlaces(height, newHeight, false);
  const result = new Float32Array(newWidth * newHeight);
  // Rows that were stretched already: two neighbours serve many new rows.
  const rows = [new Float32Array(newWidth), new Float32Array(newWidth)], held = [-1, -1];
  const stretched = (row) => {
    const slot = row % 2;
    if (held[slot] !== row) {
      held[slot] = row;
      for (let x = 0, from = row * width; x < newWidth; x++)
        rows[slot][x] = source[from + across.first[x]] * fround(1 - across.part[x]) + source[from + across.second[x]] * across.part[x];
    }
    return rows[slot];
  };
  for (let y = 0; y < newHeight; y++) {
    const upper = stretched(down.first[y]), lower = stretched(down.second[y]), part = down.part[y], rest = fround(1 - part);
    for (let x = 0, at = y * newWidth; x < newWidth; x++) result[at + x] = upper[x] * rest + lower[x] * part;
  }
  return result;
}

// For each new place the two old ones beside it, and how much the second counts.
function linearPlaces(length, newLength, snaps) {
  const first = new Int32Array(newLength), second = new Int32Array(newLength), part = new Float32Array(newLength);
  const scale = 1 / (newLength / length);
  for (let index = 0; index < newLength; index++) {
    const place = fround((index + 0.5) * scale - 0.5), below = Math.floor(place);
    first[index] = Math.min(Math.max(below, 0), length - 1);
    second[index] = Math.min(Math.max(below + 1, 0), length - 1);
    part[index] = snaps && (below < 0 || below >= length - 1) ? 0 : place - below;
  }
  return { first, second, part };
}

// Each new pixel is the mean of the area it covers.
export function resizeArea(source, width, height, newWidth, newHeight) {
  const across = areaShares(width, newWidth), down = areaShares(height, newHeight);
  const result = new Float32Array(newWidth * newHeight), row = new Float64Array(newWidth);
  for (let y = 0; y < newHeight; y++) {
    row.fill(0);
    for (const [from, weight] of down[y])
      for (let x = 0; x < newWidth; x++) {
        let sum = 0;
        for (const [column, share] of across[x]) sum += source[from * width + column] * share;
        row[x] += sum * weight;
      }
    result.set(row, y * newWidth);
  }
  return result;
}

function areaShares(length, newLength) {
  const scale = length / newLength;
  return Array.from({ length: newLength }, (_, index) => {
    const start = index * scale, end = start + scale, cell = Math.min(scale, length - start);
    const to = Math.min(Math.floor(end), length - 1), from = Math.min(Math.ceil(start), to), shares = [];
    if (from - start > 1e-3) shares.push([from - 1, (from - start) / cell]);
    for (let whole = from; whole < to; whole++) shares.push([whole, 1 / cell]);
    if (end - to > 1e-3) shares.push([to, Math.min(end - to, 1, cell) / cell]);
    return shares;
  });
}
