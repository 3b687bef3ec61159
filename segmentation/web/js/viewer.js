// The picture with its nuclei on a canvas. What is in sight is painted once as a sheet, in as many pixels as the screen
// can show, and drawn from there while one moves.
import { colourOf, onOutline } from "./palette.js";

const LIMITS = [0.02, 64], MARGIN = 0.25; // of the part in sight, on each side, so that a small move needs no new sheet

export class Viewer {
  // levels: the picture and ever smaller copies of it, see display.js; labels of the picture's own size.
  constructor(canvas, drawn) {
    Object.assign(this, { canvas, drawn, levels: [], labels: null, style: "outline", scale: 1, x: 0, y: 0, fitted: true, sheet: null, pending: false });
    this.sheets = { picture: document.createElement("canvas"), overlay: document.createElement("canvas") };
    new ResizeObserver(() => this.refresh()).observe(canvas);
  }

  get width() { return this.levels[0]?.width ?? 0; }
  get height() { return this.levels[0]?.height ?? 0; }
  get ratio() { return window.devicePixelRatio || 1; }

  showPicture(levels) {
    const same = levels[0]?.width === this.width && levels[0]?.height === this.height;
    Object.assign(this, { levels, labels: null, sheet: null });
    if (!same) this.fitted = true;
    this.refresh();
  }

  showLabels(labels) {
    this.labels = labels;
    this.repaint();
  }

  setStyle(style) {
    this.style = style;
    this.repaint();
  }

  repaint() {
    this.sheet = null;
    this.refresh();
  }

  refresh() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  fit() {
    const box = this.canvas.getBoundingClientRect();
    if (!this.width || !box.width) return;
    this.scale = Math.min(box.width / this.width, box.height / this.height, LIMITS[1]);
    this.x = (box.width - this.width * this.scale) / 2;
    this.y = (box.height - this.height * this.scale) / 2;
    this.fitted = true;
    this.refresh();
  }

  zoom(factor, x, y) {
    const box = this.canvas.getBoundingClientRect();
    [x, y] = [x ?? box.width / 2, y ?? box.height / 2];
    const scale = Math.min(Math.max(this.scale * factor, LIMITS[0]), LIMITS[1]);
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    Object.assign(this, { scale, fitted: false });
    this.refresh();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.fitted = false;
    this.refresh();
  }

  // The nucleus at a place of the canvas, 0 for none.
  labelAt(x, y) {
    const column = Math.floor((x - this.x) / this.scale), row = Math.floor((y - this.y) / this.scale);
    return this.labels && column >= 0 && row >= 0 && column < this.width && row < this.height ? this.labels[row * this.width + column] : 0;
  }

  draw() {
    const { canvas, ratio } = this, box = canvas.getBoundingClientRect(), wide = Math.round(box.width * ratio), high = Math.round(box.height * ratio);
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    if (this.fitted) { this.fit(); }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, box.width, box.height);
    this.drawn();
    if (!this.width) return;
    const level = this.levelFor(), sight = this.inSight(box, 0);
    if (sight.right <= sight.left || sight.bottom <= sight.top) return;
    if (!this.sheet || this.sheet.level !== level || !holds(this.sheet, sight)) this.sheet = this.paint(level, this.inSight(box, MARGIN));
    const { left, top, step, width, height } = this.sheet;
    const place = [this.x + left * this.scale, this.y + top * this.scale, width * step * this.scale, height * step * this.scale];
    context.imageSmoothingEnabled = this.scale * step * ratio < 1;
    context.drawImage(this.sheets.picture, ...place);
    if (this.labels && this.style !== "none") {
      context.globalAlpha = this.style === "fill" ? 0.55 : 1;
      context.drawImage(this.sheets.overlay, ...place);
      context.globalAlpha = 1;
    }
  }

  // The smallest copy that is still as fine as the screen.
  levelFor() {
    const wanted = Math.floor(Math.log2(1 / (this.scale * this.ratio)));
    return Math.min(Math.max(wanted, 0), this.levels.length - 1);
  }

  // The part in sight, in the picture's own pixels.
  inSight(box, margin) {
    const cut = (value, end) => Math.min(Math.max(value, 0), end), { scale, width, height } = this;
    const spareX = (margin * box.width) / scale, spareY = (margin * box.height) / scale;
    return {
      left: cut(Math.floor(-this.x / scale - spareX), width), right: cut(Math.ceil((box.width - this.x) / scale + spareX), width),
      top: cut(Math.floor(-this.y / scale - spareY), height), bottom: cut(Math.ceil((box.height - this.y) / scale + spareY), height),
    };
  }

  paint(level, { left, top, right, bottom }) {
    const step = 2 ** level, from = this.levels[level];
    const [startX, startY] = [Math.floor(left / step), Math.floor(top / step)];
    const width = Math.min(Math.ceil(right / step), from.width) - startX, height = Math.min(Math.ceil(bottom / step), from.height) - startY;
    fill(this.sheets.picture, width, height, (pixels) => {
      const all = new Uint32Array(from.pixels.buffer);
      for (let y = 0; y < height; y++) pixels.set(all.subarray((startY + y) * from.width + startX, (startY + y) * from.width + startX + width), y * width);
    });
    if (this.labels && this.style !== "none") fill(this.sheets.overlay, width, height, (pixels) => this.paintNuclei(pixels, { startX, startY, width, height, step }));
    return { level, step, left: startX * step, top: startY * step, width, height };
  }

  paintNuclei(pixels, { startX, startY, width, height, step }) {
    const { labels, style, width: whole, height: high } = this;
    for (let row = 0, at = 0; row < height; row++) {
      const y = Math.min((startY + row) * step + (step >> 1), high - 1);
      for (let column = 0; column < width; column++, at++) {
        const x = Math.min((startX + column) * step + (step >> 1), whole - 1), label = labels[y * whole + x];
        if (label && (style === "fill" || onOutline(labels, whole, high, x, y, step))) pixels[at] = colourOf(label);
      }
    }
  }
}

function holds(sheet, { left, top, right, bottom }) {
  return sheet.left <= left && sheet.top <= top && sheet.left + sheet.width * sheet.step >= right && sheet.top + sheet.height * sheet.step >= bottom;
}

function fill(target, width, height, paint) {
  Object.assign(target, { width, height });
  const paper = target.getContext("2d"), image = paper.createImageData(width, height);
  paint(new Uint32Array(image.data.buffer));
  paper.putImageData(image, 0, 0);
}
