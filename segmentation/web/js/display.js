// The picture for the eye: stretched to 8 bits, and ever smaller copies of it for looking from further away.
import { apply, measure } from "./preprocessing.js";

const STRETCH = { low_percentile: 0.05, high_percentile: 99.95, block: 1024 }; // segmentation/overlay.py's, whatever the model's
const SMALL = 512; // a copy that no screen would want smaller

// -> [{ width, height, pixels }], RGBA, each half as wide and high as the one before.
export function displayLevels(picture) {
  const levels = [{ width: picture.width, height: picture.height, pixels: toDisplay(picture) }];
  while (Math.max(levels.at(-1).width, levels.at(-1).height) > SMALL) levels.push(halved(levels.at(-1)));
  return levels;
}

function toDisplay(picture) {
  const { width, height } = picture, range = measure(picture, STRETCH), pixels = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    const planes = apply(picture, { top: y, bottom: y + 1, left: 0, right: width }, range);
    for (let channel = 0; channel < 3; channel++) {
      const plane = planes[planes.length === 1 ? 0 : channel];
      for (let x = 0, to = 4 * y * width + channel; x < width; x++, to += 4) pixels[to] = plane[x] * 255; // rounds half to even, as NumPy
    }
  }
  return pixels;
}

function halved({ width, height, pixels }) {
  const wide = Math.ceil(width / 2), high = Math.ceil(height / 2), result = new Uint8ClampedArray(4 * wide * high);
  for (let y = 0, to = 0; y < high; y++)
    for (let x = 0; x < wide; x++, to += 4) {
      const here = 4 * (2 * y * width + 2 * x), right = 2 * x + 1 < width ? 4 : 0, down = 2 * y + 1 < height ? 4 * width : 0;
      for (let band = 0; band < 4; band++)
        result[to + band] = (pixels[here + band] + pixels[here + right + band] + pixels[here + down + band] + pixels[here + down + right + band]) / 4;
    }
  return { width: wide, height: high, pixels: result };
}
