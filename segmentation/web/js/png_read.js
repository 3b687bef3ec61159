// PNG of any kind to planes, exactly: canvases give 8 bits only, and multiply colours by their alpha.
import { crc32, inflate } from "./deflate.js";
import { checkSize, PictureError } from "./errors.js";

const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // a pixel's, by colour type (PNG specification, table 11.1)
const INTERLACED = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

// bytes: Uint8Array -> { width, height, planes, alpha }: one plane for grey, three for colours; alpha is null or a plane.
export async function readPng(bytes) {
  const { header, palette, transparent, data } = chunks(bytes);
  const { width, height, depth, type, interlaced } = header;
  const passes = (interlaced ? INTERLACED : [[0, 0, 1, 1]])
    .map(([left, top, across, down]) => ({ left, top, across, down, wide: Math.ceil((width - left) / across), high: Math.ceil((height - top) / down) }))
    .filter(({ wide, high }) => wide > 0 && high > 0);
  const bits = SAMPLES[type] * depth, rowBytes = (wide) => Math.ceil((wide * bits) / 8);
  const raw = await inflate(data, passes.reduce((sum, { wide, high }) => sum + high * (1 + rowBytes(wide)), 0));
  const samples = Array.from({ length: SAMPLES[type] }, () => new (depth === 16 ? Uint16Array : Uint8Array)(width * height));
  let start = 0;
  for (const pass of passes) {
    const length = rowBytes(pass.wide);
    let above = new Uint8Array(length);
    for (let row = 0; row < pass.high; row++, start += 1 + length) {
      const line = raw.subarray(start + 1, start + 1 + length);
      unfilter(raw[start], line, above, Math.max(bits >> 3, 1));
      unpack(line, depth, samples, (pass.top + row * pass.down) * width + pass.left, pass.across, pass.wide);
      above = line;
    }
  }
  return { width, height, ...colours(samples, header, palette, transparent) };
}

function chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), found = { data: [], palette: null, transparent: null };
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at), kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8)), body = bytes.subarray(at + 8, at + 8 + length);
    if (at + 12 + length > bytes.length) break;
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) break;
    if (kind === "IHDR" && length === 13) found.header = headerOf(view, at + 8);
    else if (kind === "PLTE") found.palette = body;
    else if (kind === "tRNS") found.transparent = body;
    else if (kind === "IDAT") found.data.push(body);
    else if (kind === "IEND") break;
    at += 12 + length;
  }
  if (!found.header || !found.data.length || (found.header.type === 3 && !found.palette))
    throw new PictureError("The PNG file is damaged or cut short; copy or export it again from its source.");
  return found;
}

function headerOf(view, at) {
  const header = { width: view.getUint32(at), height: view.getUint32(at + 4), depth: view.getUint8(at + 8), type: view.getUint8(at + 9), interlaced: view.getUint8(at + 12) };
  checkSize(header.width, header.height);
  if (!(header.type in SAMPLES) || ![1, 2, 4, 8, 16].includes(header.depth)) throw new PictureError("The PNG file is damaged: it states no known kind of pixels; export it again.");
  return header;
}

// Undoes one row's filter in place (PNG specification, 9.2).
function unfilter(filter, line, above, pixel) {
  for (let at = 0; at < line.length; at++) {
    const left = at >= pixel ? line[at - pixel] : 0, up = above[at];
    if (filter === 1) line[at] += left;
    else if (filter === 2) line[at] += up;
    else if (filter === 3) line[at] += (left + up) >> 1;
    else if (filter === 4) line[at] += nearest(left, up, at >= pixel ? above[at - pixel] : 0);
  }
}

// Paeth's predictor.
function nearest(left, up, corner) {
  const guess = left + up - corner, [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function unpack(line, depth, samples, start, across, wide) {
  const count = samples.length;
  for (let index = 0; index < wide * count; index++) {
    const plane = samples[index % count], to = start + Math.floor(index / count) * across;
    if (depth === 8) plane[to] = line[index];
    else if (depth === 16) plane[to] = (line[2 * index] << 8) | line[2 * index + 1];
    else plane[to] = (line[(index * depth) >> 3] >> (8 - depth - ((index * depth) & 7))) & ((1 << depth) - 1);
  }
}

function colours(samples, { depth, type }, palette, transparent) {
  if (type === 3) return lookUp(samples[0], palette, transparent);
  if (type === 4 || type === 6) return { planes: samples.slice(0, -1), alpha: samples.at(-1) };
  let alpha = null;
  if (transparent) { // one colour that stands for nothing
    const key = samples.map((_, channel) => (transparent[2 * channel] << 8) | transparent[2 * channel + 1]);
    alpha = samples[0].map((_, at) => (samples.every((plane, channel) => plane[at] === key[channel]) ? 0 : 1));
  }
  if (depth < 8) for (const plane of samples) for (let at = 0; at < plane.length; at++) plane[at] *= 255 / ((1 << depth) - 1);
  return { planes: samples, alpha };
}

function lookUp(numbers, palette, transparent) {
  const planes = [0, 1, 2].map((channel) => numbers.map((number) => palette[3 * number + channel] ?? 0));
  return { planes, alpha: transparent ? numbers.map((number) => transparent[number] ?? 255) : null };
}
