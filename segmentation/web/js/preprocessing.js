// segmentation/preprocessing.py: a linear stretch of the picture's own percentiles to [0, 1], clipped.
import { isFloat, splitPlaces } from "./numbers.js";
import { percentiles } from "./percentiles.js";

// The raw values that become 0 and 1. picture: { width, height, planes }, the planes typed arrays of one kind.
export function measure(picture, { low_percentile, high_percentile, block }) {
  const rows = splitPlaces(picture.height, Math.ceil(picture.height / block));
  const columns = splitPlaces(picture.width, Math.ceil(picture.width / block));
  let low = Infinity, high = -Infinity;
  for (let down = 1; down < rows.length; down++)
    for (let across = 1; across < columns.length; across++) {
      const part = { top: rows[down - 1], bottom: rows[down], left: columns[across - 1], right: columns[across] };
      const [dark, bright] = percentiles(gather(picture, part), [low_percentile, high_percentile]);
      low = Math.min(low, dark);
      high = Math.max(high, bright);
    }
  return { low, high };
}

// All values of a part, channels mixed.
function gather({ planes, width }, { top, bottom, left, right }) {
  const across = right - left, values = new planes[0].constructor((bottom - top) * across * planes.length);
  let end = 0;
  for (const plane of planes)
    for (let y = top; y < bottom; y++, end += across) values.set(plane.subarray(y * width + left, y * width + right), end);
  return values;
}

// One Float32Array of the part's values in [0, 1] for each plane. A picture of one single value becomes all zero.
export function apply({ planes, width }, { top, bottom, left, right }, { low, high }) {
  const stretch = stretcher(planes[0], low, high - low), across = right - left;
  return planes.map((plane) => {
    const prepared = new Float32Array((bottom - top) * across);
    for (let y = top, at = 0; y < bottom; y++)
      for (let from = y * width + left, end = y * width + right; from < end; from++, at++) prepared[at] = stretch(plane[from]);
    return prepared;
  });
}

function stretcher(plane, low, span) {
  if (!(span > 0) || !Number.isFinite(span)) return () => 0;
  const clip = (value) => (value < 0 ? 0 : value > 1 ? 1 : value);
  if (isFloat(plane) || plane.BYTES_PER_ELEMENT > 2) return (value) => clip((value - low) / span);
  const { fround } = Math, [start, length] = [fround(low), fround(span)]; // NumPy reckons 8 and 16 bits in float32
  return (value) => clip(fround(fround(value - start) / length));
}
