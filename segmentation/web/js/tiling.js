// segmentation/tiling.py: large pictures in overlapping tiles, blended linearly.

export function tileStarts(length, tile, overlap) {
  const starts = [];
  for (let start = 0; start < Math.max(length - overlap, 1); start += tile - overlap) starts.push(start);
  return starts;
}

// For each tile along one axis its weights: ramps over the overlaps that add up to 1 at every pixel.
export function blendWeights(length, tile, overlap) {
  const starts = tileStarts(length, tile, overlap);
  return starts.map((start, index) => {
    const weights = new Float32Array(Math.min(tile, length - start)).fill(1);
    for (let place = 0; place < overlap; place++) {
      const ramp = (place + 0.5) / overlap;
      if (index > 0 && place < weights.length) weights[place] = ramp;
    }
    for (let place = 0; place < overlap && index < starts.length - 1; place++)
      weights[weights.length - 1 - place] = (place + 0.5) / overlap;
    return weights;
  });
}

// predict: ({ top, bottom, left, right }) -> promise of Float32Array (maps, h, w). -> Float32Array (maps, height, width).
export async function predictTiled(predict, { maps, width, height, tile, overlap, progress }) {
  const down = blendWeights(height, tile, overlap), across = blendWeights(width, tile, overlap);
  const tops = tileStarts(height, tile, overlap), lefts = tileStarts(width, tile, overlap);
  const total = tops.length * lefts.length;
  const result = total === 1 ? null : new Float32Array(maps * height * width);
  let done = 0;
  for (const [row, top] of tops.entries())
    for (const [column, left] of lefts.entries()) {
      const place = { top, left, bottom: Math.min(top + tile, height), right: Math.min(left + tile, width) };
      const part = await predict(place);
      if (result === null) return part;
      add(result, part, place, { maps, width, height, rows: down[row], columns: across[column] });
      progress(++done / total);
    }
  return result;
}

function add(result, part, { top, bottom, left, right }, { maps, width, height, rows, columns }) {
  for (let map = 0, at = 0; map < maps; map++)
    for (let y = top; y < bottom; y++)
      for (let x = left, to = (map * height + y) * width + left; x < right; x++, at++, to++)
        result[to] += part[at] * rows[y - top] * columns[x - left];
}
