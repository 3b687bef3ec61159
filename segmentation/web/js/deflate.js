// zlib streams by the browser's own means, and the checksum of PNG chunks.
import { PictureError } from "./errors.js";

const DAMAGED = "The file is damaged or cut short; copy or export it again from its source.";

// Inflates a zlib stream of a known length. What claims to be longer is not read on.
export async function inflate(parts, length) {
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const bytes = new Uint8Array(length);
  let end = 0;
  try {
    while (end < length) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes.set(value.subarray(0, length - end), end);
      end += Math.min(value.length, length - end);
    }
  } catch {
    throw new PictureError(DAMAGED);
  }
  reader.cancel().catch(() => {});
  if (end < length) throw new PictureError(DAMAGED);
  return bytes;
}

export async function deflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (let index = 0; index < bytes.length; index++) crc = TABLE[(crc ^ bytes[index]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
