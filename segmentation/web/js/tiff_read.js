// TIFF in all its forms, through geotiff.js, which is loaded when the first one comes.
import { checkSize, PictureError } from "./errors.js";

const WHITE_IS_ZERO = 0, RGB = 2, PALETTE = 3, INKS = 5, YCBCR = 6;
const READ = [WHITE_IS_ZERO, 1, RGB, PALETTE, 4, INKS, YCBCR];
const JPEG = 7;

// -> { pages, read: (page counted from 0) -> { width, height, planes, alpha } }
export async function openTiff(buffer) {
  await import("../vendor/geotiff.js");
  const file = await orDamaged(() => globalThis.GeoTIFF.fromArrayBuffer(buffer));
  const count = await orDamaged(() => file.getImageCount()), pages = [];
  for (let index = 0; index < count; index++) {
    const page = await orDamaged(() => file.getImage(index));
    if (!((page.fileDirectory.getValue("NewSubfileType") ?? 0) & 1)) pages.push(page); // else a smaller copy of another
  }
  if (!pages.length) throw new PictureError("The TIFF file holds no picture; export it again.");
  return { pages: pages.length, read: (number) => readPage(pages[number]) };
}

async function readPage(page) {
  const tag = (name) => page.fileDirectory.getValue(name), width = page.getWidth(), height = page.getHeight();
  checkSize(width, height);
  const kind = tag("PhotometricInterpretation") ?? 1, bits = page.getBitsPerSample(), samples = page.getSamplesPerPixel();
  if (!READ.includes(kind) || (kind === YCBCR && tag("Compression") !== JPEG))
    throw new PictureError(`The TIFF file's kind of colours (photometric interpretation ${kind}) cannot be read here; export it as grey or RGB.`);
  const planes = [...await orDamaged(() => page.readRasters())];
  if (kind === PALETTE && samples === 1) return { width, height, planes: lookUp(planes[0], await page.fileDirectory.loadValue("ColorMap")), alpha: null };
  if (kind === WHITE_IS_ZERO && !(planes[0] instanceof Float32Array || planes[0] instanceof Float64Array)) {
    const most = page.getSampleFormat() === 2 ? -1 : 2 ** bits - 1; // signed numbers are turned over around -1/2
    for (const plane of planes) for (let at = 0; at < plane.length; at++) plane[at] = most - plane[at];
  }
  if (kind === INKS && samples === 4) return { width, height, planes: fromInks(planes, 2 ** bits - 1), alpha: null };
  if (kind === YCBCR) return { width, height, planes: fromLuminance(planes), alpha: null };
  const sees = tag("ExtraSamples")?.[0], seeThrough = (kind === RGB && samples === 4) || (samples === 2 && (sees === 1 || sees === 2));
  return { width, height, planes: seeThrough ? planes.slice(0, -1) : planes, alpha: seeThrough ? planes.at(-1) : null };
}

async function orDamaged(action) {
  try {
    return await action();
  } catch (fault) {
    if (fault instanceof RangeError && /alloc|length/i.test(fault.message)) throw fault;
    throw new PictureError(
      `The TIFF file cannot be read here (${fault.message}): it is damaged, or packed in a way that this page does not know. Export it again, ` +
      "uncompressed or with LZW.",
    );
  }
}

function lookUp(numbers, map) {
  const colours = map.length / 3;
  return [0, 1, 2].map((channel) => Uint16Array.from(numbers, (number) => map[channel * colours + number]));
}

function fromInks([cyan, magenta, yellow, black], full) {
  const { fround } = Math;
  return [cyan, magenta, yellow].map((ink) => ink.map((_, at) => Math.round(fround((1 - fround(ink[at] / full)) * (1 - fround(black[at] / full))) * full)));
}

// With the factors of ITU-R BT.601, which TIFF 6.0 (section 21) gives as defaults.
function fromLuminance([luminance, blue, red]) {
  const plane = (value) => Uint8ClampedArray.from(luminance, (light, at) => light + value(blue[at] - 128, red[at] - 128));
  return [plane((_, r) => 1.402 * r), plane((b, r) => -0.344136 * b - 0.714136 * r), plane((b) => 1.772 * b)].map((each) => new Uint8Array(each.buffer));
}
