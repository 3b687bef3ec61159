// First half of the demo's script (convolution_demo.js goes on): the three steps as segmentation/steps.py has them, one
// window at a time, and the words that go with them. Nothing here touches the page.
"use strict";

// Networks learn such numbers; these were found by people. [name, kernel, what it does]
const PRESETS = {
  convolution: [
    ["identity", "0 0 0  0 1 0  0 0 0", "Only the middle pixel counts: the picture stays as it is."],
    ["blur", "1/16 2/16 1/16  2/16 4/16 2/16  1/16 2/16 1/16", "A mean of nine pixels: noise and detail fade."],
    ["sharpen", "0 -1 0  -1 5 -1  0 -1 0", "Takes the neighbours away from the middle: differences grow."],
    ["edges left-right", "-1 0 1  -2 0 2  -1 0 1", "Bright where the picture gets brighter from left to right."],
    ["edges up-down", "-1 -2 -1  0 0 0  1 2 1", "Bright where the picture gets brighter from top to bottom."],
    ["outline", "-1 -1 -1  -1 8 -1  -1 -1 -1", "Bright where a pixel is brighter than its neighbours."],
    ["emboss", "-2 -1 0  -1 1 1  0 1 2", "As if lit from one corner: slopes look like relief."],
  ],
  pooling: [],
  transposed: [
    ["repeat", "1 1  1 1", "Each pixel becomes four equal ones."],
    ["one corner", "1 0  0 0", "Each pixel keeps one of its four places; the others stay black."],
    ["diagonal", "1 1/2  1/2 1", "Four new pixels, two of them half as bright."],
  ],
};

const STEPS = {
  convolution: {
    side: 3, stride: 1, offset: -1, block: 1,
    from: "Picture", patch: "nine pixels", products: "nine products",
    explain: "A window of 3 × 3 pixels slides over the picture. Each of its nine pixels is multiplied by one of the nine " +
      "numbers of the kernel, and the nine products are added up: that sum is one pixel of the new picture. Outside " +
      "the picture counts as 0; sums below 0 are drawn black, sums above 255 white.",
  },
  pooling: {
    side: 2, stride: 2, offset: 0, block: 1,
    from: "Picture", patch: "four pixels", products: "",
    explain: "Of each block of 2 × 2 pixels only the brightest is kept. The picture gets half as wide and half as high, so " +
      "the next window of 3 × 3 sees twice as far. There is nothing to learn here, and no number to change.",
  },
  transposed: {
    side: 1, stride: 1, offset: 0, block: 2,
    from: "Pooled", patch: "one pixel", products: "four new pixels",
    explain: "The way back up: each pixel is multiplied by the four numbers of the kernel and becomes a block of 2 × 2 " +
      "pixels. The size is back but the detail is not: that is why a U-Net also hands copies of the finer levels across.",
  },
};

const numbersOf = (text) => text.trim().split(/\s+/);

/** "3", "-0.5" or "1/16" -> a number; null for anything else. */
function parse(text) {
  const found = /^([-+−]?(?:\d+\.?\d*|\.\d+))(?:\s*\/\s*(\d+))?$/.exec(text.trim());
  const value = found ? Number(found[1].replace("−", "-")) / Number(found[2] ?? 1) : NaN;
  return Number.isFinite(value) ? value : null;
}

/** Values of a square of the picture, row by row; null for those outside it. */
function patchOf({ width, height, values }, left, top, side) {
  return Array.from({ length: side * side }, (_, place) => {
    const x = left + (place % side), y = top + Math.floor(place / side);
    return x >= 0 && y >= 0 && x < width && y < height ? values[y * width + x] : null;
  });
}

function pooled({ width, height, values }) {
  const small = { width: width >> 1, height: height >> 1 };
  small.values = Uint8Array.from({ length: small.width * small.height }, (_, index) => {
    const x = 2 * (index % small.width), y = 2 * Math.floor(index / small.width);
    return Math.max(...patchOf({ width, height, values }, x, y, 2));
  });
  return small;
}

/** Columns and rows of places at which a step's window stops. */
function places(step, source) {
  return { columns: Math.floor(source.width / step.stride), rows: Math.floor(source.height / step.stride) };
}

/** Everything about the window at one place: where it lies, what it holds, and the one or four values that come out. */
function windowAt(step, source, kernel, index) {
  const { columns } = places(step, source), { side, stride, offset } = step;
  const column = index % columns, row = Math.floor(index / columns);
  const left = column * stride + offset, top = row * stride + offset;
  const patch = patchOf(source, left, top, side);
  const products = kernel.map((weight, place) => weight * (patch[side === 1 ? 0 : place] ?? 0));
  let results = products;
  if (step.block === 1) results = [kernel.length ? products.reduce((sum, each) => sum + each, 0) : Math.max(...patch)];
  return { column, row, left, top, patch, products, results };
}
