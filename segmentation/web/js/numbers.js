// Small rules of arithmetic that Python and NumPy have and JavaScript has not.

// Python's round(): halves go to the even neighbour.
export function roundHalfEven(value) {
  const below = Math.floor(value), rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

// Where numpy.array_split cuts `length` into `parts`: parts + 1 places, the first parts one longer than the last.
export function splitPlaces(length, parts) {
  const size = Math.floor(length / parts), longer = length % parts;
  return Array.from({ length: parts + 1 }, (_, part) => part * size + Math.min(part, longer));
}

// Of any number of values, NaN for none.
export function median(values) {
  const sorted = Float64Array.from(values).sort(), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export const isFloat = (values) => values instanceof Float32Array || values instanceof Float64Array;
