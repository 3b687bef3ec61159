// JPEG, WebP, BMP, GIF and whatever else the browser shows, as stored: no colour profile, no turning.
import { checkSize, PictureError } from "./errors.js";

// -> { width, height, planes, alpha, notes }
export async function readByBrowser(bytes) {
  const jpeg = bytes[0] === 0xff && bytes[1] === 0xd8 ? asStored(bytes) : null;
  if (jpeg?.width) checkSize(jpeg.width, jpeg.height);
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob(jpeg ? jpeg.parts : [bytes]), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new PictureError(
      "This is not a picture that the browser can read: drop a PNG, JPEG, TIFF, BMP, GIF or WebP file, or export the picture as one of these.",
    );
  }
  const { width, height } = bitmap;
  checkSize(width, height);
  const pixels = readBack(bitmap);
  bitmap.close();
  const [red, green, blue, alpha] = [0, 1, 2, 3].map((band) => {
    const plane = new Uint8Array(width * height);
    for (let at = 0, from = band; at < plane.length; at++, from += 4) plane[at] = pixels[from];
    return plane;
  });
  const alike = jpeg ? jpeg.components === 1 : hasGreyPalette(bytes);
  return {
    width, height, planes: alike ? [red] : [red, green, blue], alpha: alpha.some((value) => value < 255) ? alpha : null,
    notes: jpeg?.turned ? ["It is marked as turned or mirrored (EXIF orientation) and is read as stored, as ImageJ and QuPath read it."] : [],
  };
}

function readBack(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), paper = canvas.getContext("2d", { willReadFrequently: true });
  if (!paper) throw new RangeError("no canvas memory");
  checkHonest();
  paper.drawImage(bitmap, 0, 0);
  return paper.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

// Browsers that guard against fingerprinting alter what is read back; nuclei would be lost without a word.
function checkHonest() {
  const side = 16, paper = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true }), known = paper.createImageData(side, side);
  for (let at = 0; at < known.data.length; at++) known.data[at] = at % 4 === 3 ? 255 : (at * 37) % 251;
  paper.putImageData(known, 0, 0);
  const seen = paper.getImageData(0, 0, side, side).data;
  if (known.data.some((value, at) => value !== seen[at]))
    throw new PictureError("This browser alters pixels that pages read, to guard against tracking: allow this page to read canvas data, or save the picture as PNG or TIFF, which are read without it.");
}

// Whether colours are looked up in a list that holds the greys in their order: such a GIF or BMP is a grey picture.
function hasGreyPalette(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), start = String.fromCharCode(...bytes.subarray(0, 4));
  let from, size, step;
  if (start.startsWith("GIF8") && bytes[10] & 0x80) [from, size, step] = [13, 2 << (bytes[10] & 7), 3];
  else if (start.startsWith("BM") && bytes.length > 54 && view.getUint16(28, true) <= 8)
    [from, size, step] = [14 + view.getUint32(14, true), view.getUint32(46, true) || 1 << view.getUint16(28, true), 4];
  else return false;
  for (let index = 0; index < size; index++)
    for (let band = 0; band < 3; band++) if (bytes[from + step * index + band] !== (size === 2 && step === 4 ? 255 * index : index)) return false;
  return true;
}

// A JPEG without its EXIF, by which browsers would turn it, and what its header says.
function asStored(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), told = { parts: [bytes.subarray(0, 2)], components: 3, turned: false };
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1], end = at + 2 + view.getUint16(at + 2), exif = marker === 0xe1 && String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === "Exif";
    if (marker === 0xda || end > bytes.length) break;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      Object.assign(told, { height: view.getUint16(at + 5), width: view.getUint16(at + 7), components: bytes[at + 9] });
    if (exif) told.turned ||= isTurned(new DataView(view.buffer, view.byteOffset + at + 10, end - at - 10));
    else told.parts.push(bytes.subarray(at, end));
    at = end;
  }
  told.parts.push(bytes.subarray(at));
  return told;
}

// Whether the EXIF block, a small TIFF, says another orientation than the one as stored.
function isTurned(exif) {
  if (exif.byteLength < 14) return false;
  const little = exif.getUint16(0) === 0x4949, start = exif.getUint32(4, little);
  if (start + 2 > exif.byteLength) return false;
  for (let entry = start + 2, left = exif.getUint16(start, little); left > 0 && entry + 12 <= exif.byteLength; entry += 12, left--)
    if (exif.getUint16(entry, little) === 0x0112) return exif.getUint16(entry + 8, little) > 1;
  return false;
}
