// A file -> a picture that can be segmented: { width, height, planes, notes }, every value finite.
import { readByBrowser } from "./browser_read.js";
import { PictureError } from "./errors.js";
import { isFloat } from "./numbers.js";
import { readPng } from "./png_read.js";
import { openTiff } from "./tiff_read.js";

const TIFF = ["49492a00", "4d4d002a", "49492b00", "4d4d002b"], PNG = "89504e470d0a1a0a";

// -> { pages, read: (page counted from 0) -> { width, height, planes, alpha, notes } }
export async function openPicture(buffer) {
  const bytes = new Uint8Array(buffer);
  if (!bytes.length) throw new PictureError("The file is empty; copy or export it again from its source.");
  const start = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (TIFF.includes(start.slice(0, 8))) return openTiff(buffer);
  return { pages: 1, read: () => (start === PNG ? readPng(bytes) : readByBrowser(bytes)) };
}

// Chooses the channel (a number from 0, or null for all) and fills what is transparent or no number.
export function finish({ width, height, planes, alpha, notes = [] }, channel, takes) {
  const said = [...notes], chosen = channel === null ? planes : [planes[channel]];
  if (chosen.length !== 1 && chosen.length !== 3) throw new PictureError(`The picture has ${chosen.length} channels: choose the one that shows the nuclei, under How it is read.`);
  if (chosen.length !== 1 && chosen.length !== takes)
    throw new PictureError(`The picture has ${chosen.length} channels and this model takes 1 (grey) or ${takes}: choose the one that shows the nuclei, under How it is read.`);
  const filled = chosen.map((plane) => plane.slice());
  if (alpha) fillTransparent(filled, alpha, said);
  if (isFloat(filled[0])) fillHoles(filled, said);
  return { width, height, planes: filled, notes: said };
}

// Transparent pixels become the median colour of the others, which is the picture's background: no invented edge.
function fillTransparent(planes, alpha, notes) {
  const clear = alpha.reduce((sum, value) => sum + (value > 0 ? 0 : 1), 0);
  if (clear === alpha.length) throw new PictureError("Every pixel is transparent; save the picture without its alpha channel.");
  if (!clear) return;
  for (const plane of planes) {
    const middle = median(plane.filter((_, at) => alpha[at] > 0));
    for (let at = 0; at < plane.length; at++) if (!(alpha[at] > 0)) plane[at] = middle;
  }
  notes.push(`${clear.toLocaleString("en-US")} transparent pixels take the median colour of the others.`);
}

function fillHoles(planes, notes) {
  const finite = planes.map((plane) => plane.filter(Number.isFinite)), held = finite.reduce((sum, values) => sum + values.length, 0);
  const holes = planes.reduce((sum, plane) => sum + plane.length, 0) - held;
  if (!held) throw new PictureError("No pixel is a finite number; export the picture again.");
  if (!holes) return;
  const all = new planes[0].constructor(held);
  finite.reduce((end, values) => { all.set(values, end); return end + values.length; }, 0);
  const middle = median(all);
  for (const plane of planes) for (let at = 0; at < plane.length; at++) if (!Number.isFinite(plane[at])) plane[at] = middle;
  notes.push(`${holes.toLocaleString("en-US")} values that are not finite (NaN or infinite) are read as the median.`);
}

function median(values) {
  values.sort();
  const half = values.length >> 1;
  return values.length % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}
