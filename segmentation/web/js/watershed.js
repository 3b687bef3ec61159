// segmentation/watershed.py, _basins: each pixel of a mask belongs to the maximum that the steepest way up leads to.

// -> { basins: Int32Array, 0 outside the mask, else 1 + the index of its maximum; peaks: pixels of the maxima, in order }.
export function steepestBasins(mask, landscape, width, height) {
  const above = new Int32Array(mask.length);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      if (!mask[at]) continue;
      // Of pixels of one level the later one counts as higher, so that every way ends.
      let best = at;
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++)
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const next = row * width + column;
          if (mask[next] && (landscape[next] > landscape[best] || (landscape[next] === landscape[best] && next > best))) best = next;
        }
      above[at] = best;
    }
  const basins = new Int32Array(mask.length), peaks = [];
  for (let at = 0; at < mask.length; at++)
    if (mask[at] && above[at] === at) basins[at] = peaks.push(at);
  const way = [];
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start]) continue;
    let at = start;
    for (way.length = 0; !basins[at]; at = above[at]) way.push(at);
    for (const each of way) basins[each] = basins[at];
  }
  return { basins, peaks };
}
