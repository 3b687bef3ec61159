// Results as files: label image (TIFF), overlay (PNG), table (CSV).
import { crc32, deflate } from "./deflate.js";
import { colourOf, onOutline } from "./palette.js";

// Deflated TIFF of one strip; 16 bit, or 32 bit above 65,535 nuclei.
export async function labelsFile(labels, width, height) {
  const data = await deflate(labels), bits = 8 * labels.BYTES_PER_ELEMENT;
  const SHORT = 3, LONG = 4, tags = [
    [256, LONG, width], [257, LONG, height], [258, SHORT, bits], [259, SHORT, 8], [262, SHORT, 1], [273, LONG, 8],
    [277, SHORT, 1], [278, LONG, height], [279, LONG, data.length], [339, SHORT, 1],
  ];
  const start = 8 + data.length + (data.length % 2), file = new Uint8Array(start + 2 + 12 * tags.length + 4), view = new DataView(file.buffer);
  file.set([0x49, 0x49, 42, 0]);
  view.setUint32(4, start, true);
  file.set(data, 8);
  view.setUint16(start, tags.length, true);
  tags.forEach(([tag, kind, value], index) => {
    const at = start + 2 + 12 * index;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, kind, true);
    view.setUint32(at + 4, 1, true);
    view.setUint32(at + 8, value, true); // a SHORT lies in the first bytes, which little-endian leaves it in
  });
  return new Blob([file], { type: "image/tiff" });
}

// The picture as displayed with outlines one pixel wide. Not by a canvas: some browsers alter what they save.
export async function overlayFile({ pixels }, labels, width, height) {
  const raw = new Uint8Array(height * (1 + 3 * width));
  for (let y = 0, to = 0, at = 0; y < height; y++) {
    to++; // the row's filter: none
    for (let x = 0; x < width; x++, at++, to += 3) {
      const label = labels[at], colour = label && onOutline(labels, width, height, x, y) ? colourOf(label) : null;
      for (let band = 0; band < 3; band++) raw[to + band] = colour === null ? pixels[4 * at + band] : (colour >>> (8 * band)) & 255;
    }
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint16(8, 0x0802); // 8 bits, RGB
  const parts = [chunk("IHDR", new Uint8Array(header.buffer)), chunk("IDAT", await deflate(raw)), chunk("IEND", new Uint8Array(0))];
  return new Blob([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...parts], { type: "image/png" });
}

function chunk(kind, data) {
  const bytes = new Uint8Array(12 + data.length), view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

export function tableFile({ x, y, area }) {
  const lines = ["label,centroid_x_px,centroid_y_px,area_px"];
  area.forEach((size, index) => lines.push(`${index + 1},${x[index]},${y[index]},${size}`));
  return new Blob([`${lines.join("\n")}\n`], { type: "text/csv" });
}

export function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // Safari asks first, and reads after the answer
}
