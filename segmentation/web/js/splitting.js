// segmentation/watershed.py: a mask cut along the valleys of a landscape, one object for each maximum that rises by `rise`
// over its saddle.
import { steepestBasins } from "./watershed.js";

export function splitByLandscape(mask, values, rise, width, height) {
  const landscape = Float32Array.from(values); // as in Python
  const { basins, peaks } = steepestBasins(mask, landscape, width, height);
  const numbers = join(peaks.map((at) => landscape[at]), saddlesBetween(basins, landscape, width, height), rise);
  for (let at = 0; at < basins.length; at++) if (basins[at]) basins[at] = numbers[basins[at] - 1];
  return basins;
}

// Neighbouring basins and the highest point of the border between them.
function saddlesBetween(basins, landscape, width, height) {
  const found = new Saddles();
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      if (!basins[at]) continue;
      if (x + 1 < width) meet(at, at + 1);
      if (y + 1 === height) continue;
      meet(at, at + width);
      if (x + 1 < width) meet(at, at + width + 1);
      if (x > 0) meet(at, at + width - 1);
    }
  function meet(here, there) {
    if (basins[there]) found.add(basins[here] - 1, basins[there] - 1, Math.min(landscape[here], landscape[there]));
  }
  return found;
}

// Pairs of basins, each once, with the highest level at which they met.
class Saddles {
  constructor() { this.levels = new Map(); }

  add(a, b, level) {
    if (a === b) return;
    const key = Math.min(a, b) * 2 ** 26 + Math.max(a, b); // exact: no picture here has 67 million maxima
    if (!(this.levels.get(key) >= level)) this.levels.set(key, level);
  }

  * [Symbol.iterator]() {
    for (const [key, level] of this.levels) yield [Math.floor(key / 2 ** 26), key % 2 ** 26, level];
  }
}

// New number, from 1, of each basin, once every basin that rises by less has joined the higher one behind its highest saddle.
function join(peaks, saddles, rise) {
  const parent = Int32Array.from(peaks.keys()), rank = new Int32Array(peaks.length);
  [...peaks.keys()].sort((a, b) => peaks[a] - peaks[b] || a - b).forEach((basin, index) => { rank[basin] = index; });
  const root = (basin) => {
    while (parent[basin] !== basin) basin = parent[basin] = parent[parent[basin]];
    return basin;
  };
  for (let joined = true; joined;) {
    const best = new Map();
    const offer = (basin, neighbour, level) => {
      const known = best.get(basin);
      if (!known || level > known.level || (level === known.level && rank[neighbour] > rank[known.neighbour])) best.set(basin, { neighbour, level });
    };
    for (const [a, b, level] of saddles) { offer(a, b, level); offer(b, a, level); }
    joined = false;
    for (const [basin, { neighbour, level }] of best)
      if (peaks[basin] - level < rise && rank[neighbour] > rank[basin]) { parent[basin] = neighbour; joined = true; }
    const fewer = new Saddles();
    for (const [a, b, level] of saddles) fewer.add(root(a), root(b), level);
    saddles = fewer;
  }
  let count = 0;
  const numbers = new Int32Array(peaks.length);
  for (let basin = 0; basin < peaks.length; basin++) if (parent[basin] === basin) numbers[basin] = ++count;
  for (let basin = 0; basin < peaks.length; basin++) numbers[basin] = numbers[root(basin)];
  return numbers;
}
