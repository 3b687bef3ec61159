// Colours that stay with a nucleus's number, and the pixels where outlines run; as segmentation/overlay.py draws them.
let colours = new Uint32Array([0]);

// palette: [[r, g, b], ...] of model.json.
export function usePalette(palette) {
  colours = Uint32Array.from(palette, ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
}

// As one number of RGBA, little-endian like every machine that browsers run on.
export const colourOf = (label) => colours[label % colours.length];

// Whether a nucleus' pixel has another label or the background beside it, diagonals included.
export function onOutline(labels, width, height, x, y, step = 1) {
  const label = labels[y * width + x];
  const left = Math.max(x - step, 0), right = Math.min(x + step, width - 1), up = Math.max(y - step, 0) * width, down = Math.min(y + step, height - 1) * width;
  const here = y * width;
  return labels[up + left] !== label || labels[up + x] !== label || labels[up + right] !== label || labels[here + left] !== label
    || labels[here + right] !== label || labels[down + left] !== label || labels[down + x] !== label || labels[down + right] !== label;
}
