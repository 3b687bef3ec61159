// What people are told. Sentences name what is wrong and what helps.

// Something about the picture that the person can do something about; its message is shown as it is.
export class PictureError extends Error {}

export const MAX_PIXELS = 40_000_000; // about 1.5 GB of memory while it is segmented

export function checkSize(width, height) {
  const count = (number) => number.toLocaleString("en-US");
  if (width < 1 || height < 1) throw new PictureError(`The picture is ${width} x ${height} and has no pixels; export it again.`);
  if (width * height > MAX_PIXELS)
    throw new PictureError(
      `The picture has ${count(width)} x ${count(height)} pixels, ${count(Math.round((width * height) / 1e6))} million; this page takes ` +
      `up to ${count(MAX_PIXELS / 1e6)} million. Crop it, or use Nucleoscope on your computer, which takes 400 million.`,
    );
}

// The sentence for whatever was thrown.
export function explain(fault) {
  if (fault instanceof PictureError) return fault.message;
  const reason = String(fault?.message ?? fault);
  if (fault instanceof RangeError || /bad_alloc|out of memory|allocation|memory access/i.test(reason))
    return "The browser has no memory left for this picture: close other tabs, crop the picture, or use Nucleoscope on your computer.";
  return `This should not have happened: ${reason}. Reload the page, and try another picture.`;
}
