// segmentation/instance_maps.py, decode: the network's maps -> labels, 1..n without gaps, 0 the background.
import { components } from "./components.js";
import { distanceInside } from "./distance.js";
import { smooth } from "./gaussian.js";
import { splitByLandscape } from "./splitting.js";

// maps: { name: Float32Array of width * height }; params: as in the bundle's config.json. -> { labels, count }, the
// labels a Uint16Array up to 65,535 nuclei, else a Uint32Array.
export function decode(maps, params, width, height) {
  const mask = new Uint8Array(width * height), threshold = Math.fround(params.threshold);
  for (let at = 0; at < mask.length; at++) mask[at] = maps.foreground[at] >= threshold ? 1 : 0;
  const found = params.mode === "mask" ? mask : instances(maps, mask, params.separation, width, height);
  return renumber(found, maps.foreground, params, width, height);
}

function instances(maps, mask, separation, width, height) {
  if (separation <= 0) return components(mask, width, height).labels;
  if (maps.distance) return splitByLandscape(mask, smooth(maps.distance, width, height), separation, width, height);
  if (mask.every((inside) => inside)) return mask; // without any background there is no distance to it
  return splitByLandscape(mask, smooth(distanceInside(mask, width, height), width, height), separation, width, height);
}

// Drops what is too small, too large, too unsure or cut by the border, and closes the gaps in the numbers.
function renumber(found, foreground, params, width, height) {
  const highest = found.reduce((most, label) => Math.max(most, label), 0), areas = new Uint32Array(highest + 1);
  for (let at = 0; at < found.length; at++) areas[found[at]]++;
  const keep = areas.map((area) => (area >= Math.max(params.min_area, 1) && !(params.max_area && area > params.max_area) ? 1 : 0));
  if (params.min_probability) {
    const sums = new Float64Array(highest + 1); // of steps of 1/65536, which add up exactly, as in Python
    for (let at = 0; at < found.length; at++) sums[found[at]] += Math.floor(foreground[at] * 65536 + 0.5);
    for (let label = 1; label <= highest; label++) if (sums[label] / 65536 < params.min_probability * areas[label]) keep[label] = 0;
  }
  if (params.drop_border) {
    for (let x = 0; x < width; x++) keep[found[x]] = keep[found[(height - 1) * width + x]] = 0;
    for (let y = 0; y < height; y++) keep[found[y * width]] = keep[found[y * width + width - 1]] = 0;
  }
  keep[0] = 0;
  let count = 0;
  const number = keep.map((kept) => (kept ? ++count : 0));
  const labels = count > 65535 ? new Uint32Array(found.length) : new Uint16Array(found.length);
  for (let at = 0; at < found.length; at++) labels[at] = number[found[at]];
  return { labels, count };
}
