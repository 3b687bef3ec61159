// segmentation/automatic_magnification.py: how much a picture is magnified before the network, by its nuclei's size.
import { decode } from "./decode.js";
import { median, roundHalfEven } from "./numbers.js";
import { apply } from "./preprocessing.js";

const FACTORS = [0.25, 0.35, 0.5, 0.7, 1.0, 1.25, 1.5, 1.75, 2.0], LARGE = 1.5, LOOK = 0.5;
const WHOLE = 2 ** 19, SIDE = 256, WINDOWS = 4, MOST = 8;

// predict(planes, { width, height }, factor) -> a Promise of { name: Float32Array }, the network's maps of a window.
export async function chooseMagnification(picture, model, range, predict) {
  if (!model.diameter) return model.magnification;
  const prepared = (place) => apply(picture, place, range);
  const places = windowsToLookAt(picture.height, picture.width, (place) => deviation(prepared(place)));
  for (const factor of [LOOK, model.magnification]) {
    const areas = [];
    for (const place of places) {
      const width = place.right - place.left, height = place.bottom - place.top;
      const maps = await predict(prepared(place), { width, height }, factor);
      const { labels, count } = decode(maps, model.decode, width, height), found = new Uint32Array(count + 1);
      for (const label of labels) found[label]++;
      areas.push(...found.subarray(1));
    }
    if (areas.length) return suitedFactor(model.diameter, typicalDiameter(areas), largestFactor(picture.height, picture.width));
  }
  return model.magnification;
}

// Median diameter of discs of these areas.
const typicalDiameter = (areas) => median(areas.map((area) => 2 * Math.sqrt(area / Math.PI)));

// What takes a moment anyway may be magnified more.
export const largestFactor = (height, width) => (height * width <= WHOLE ? FACTORS.at(-1) : LARGE);

export function suitedFactor(suited, diameter, largest = FACTORS.at(-1)) {
  const wanted = Math.log(suited / diameter), away = (factor) => Math.abs(Math.log(factor) - wanted);
  return FACTORS.filter((factor) => factor <= largest).reduce((best, factor) => (away(factor) < away(best) ? factor : best));
}

// All of a small picture; of a large one, the windows of most contrast of some that are spread evenly.
export function windowsToLookAt(height, width, contrast) {
  if (height * width <= WHOLE) return [{ top: 0, bottom: height, left: 0, right: width }];
  const columns = spread(width);
  const candidates = spread(height).flatMap(([top, bottom]) => columns.map(([left, right]) => ({ top, bottom, left, right })));
  if (candidates.length <= WINDOWS) return candidates;
  const order = candidates.map((place, index) => ({ index, found: contrast(place) })).sort((a, b) => b.found - a.found || a.index - b.index);
  return order.slice(0, WINDOWS).sort((a, b) => a.index - b.index).map(({ index }) => candidates[index]);
}

function spread(extent) {
  const side = Math.min(SIDE, extent), number = Math.min(Math.max(roundHalfEven(extent / 512), 1), MOST);
  return Array.from({ length: number }, (_, at) => {
    const start = Math.min(Math.max(roundHalfEven(((at + 0.5) / number) * extent - side / 2), 0), extent - side);
    return [start, start + side];
  });
}

function deviation(planes) {
  let sum = 0, squares = 0, count = 0;
  for (const plane of planes) {
    for (const value of plane) { sum += value; squares += value * value; }
    count += plane.length;
  }
  return Math.sqrt(Math.max(squares / count - (sum / count) ** 2, 0));
}
