// Draws the picture, the nuclei over it, and what is selected. Overlays are painted once, in the pixels of their sheet:
// the picture as it came, or a finer part of it.
const context = canvas.getContext("2d");
let pending = false;

function newSheet(about) {
  const [overlay, marks, heat] = ["canvas", "canvas", "canvas"].map((name) => document.createElement(name));
  return { left: 0, top: 0, ...about, layers: { overlay, marks, heat } };
}
const whole = newSheet({});
function sheets() {
  Object.assign(whole, { step: S.factor, width: S.width, height: S.height, bitmap: S.bitmap, labels: S.labels, heat: S.heat });
  return S.closeup ? [whole, S.closeup] : [whole];
}

// Whether a nucleus' pixel lies within `width` pixels of another label or of the background.
function onOutline({ labels, width: w, height: h }, x, y, width) {
  const at = y * w + x, label = labels[at];
  const left = Math.min(width, x), right = Math.min(width, w - 1 - x);
  const up = Math.min(width, y) * w, down = Math.min(width, h - 1 - y) * w;
  return labels[at - left] !== label || labels[at + right] !== label || labels[at - up] !== label || labels[at + down] !== label
    || labels[at - up - left] !== label || labels[at - up + right] !== label
    || labels[at + down - left] !== label || labels[at + down + right] !== label;
}

function fill(target, { width, height }, colours) {
  Object.assign(target, { width, height });
  const paper = target.getContext("2d"), image = paper.createImageData(width, height);
  colours(new Uint32Array(image.data.buffer));
  paper.putImageData(image, 0, 0);
}

function paint(target, sheet, colour) {
  fill(target, sheet, (pixels) => {
    for (let y = 0, at = 0; y < sheet.height; y++)
      for (let x = 0; x < sheet.width; x++, at++) {
        const label = sheet.labels[at];
        if (label) pixels[at] = colour(label, x, y);
      }
  });
}

const rgba = (r, g, b, a = 255) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
const palette = props.palette.map(([r, g, b]) => rgba(r, g, b));

function paintOverlay(sheet) {
  if (!sheet.labels) return;
  const filled = S.style === "fill";
  paint(sheet.layers.overlay, sheet, (label, x, y) => (filled || onOutline(sheet, x, y, S.line) ? palette[label % palette.length] : 0));
}

function paintMarks(sheet) {
  if (!sheet.labels) return;
  const { marks } = sheet.layers;
  if (!S.selected.size) { marks.width = marks.height = 1; return; }
  const white = rgba(255, 255, 255), veil = rgba(255, 255, 255, 70), width = S.line + 1;
  paint(marks, sheet, (label, x, y) => (!S.selected.has(label) ? 0 : onOutline(sheet, x, y, width) ? white : veil));
}

// Anchors of matplotlib's viridis, which reads the same in grey and to colour-blind eyes.
const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37]];
function viridis(value) {
  const place = (value / 255) * (VIRIDIS.length - 1), low = Math.min(Math.floor(place), VIRIDIS.length - 2), part = place - low;
  return rgba(...VIRIDIS[low].map((from, channel) => Math.round(from + part * (VIRIDIS[low + 1][channel] - from))));
}
const RAMP = Uint32Array.from({ length: 256 }, (_, value) => viridis(value));

const heated = () => S.heat && (S.view === "foreground" || S.view === "uncertainty");
function paintHeat(sheet) {
  if (!sheet.heat || !heated()) return;
  const sure = S.view === "foreground";
  fill(sheet.layers.heat, sheet, (pixels) => {
    for (let at = 0; at < pixels.length; at++) pixels[at] = RAMP[sure ? sheet.heat[at] : 255 - Math.abs(2 * sheet.heat[at] - 255)];
  });
}
function repaint(sheet) { paintOverlay(sheet); paintMarks(sheet); paintHeat(sheet); }

function draw() {
  pending = false;
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  const wide = Math.round(box.width * ratio), high = Math.round(box.height * ratio);
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; if (S.fitted) fit(); }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, box.width, box.height);
  if (!S.bitmap) return;
  const edge = S.view === "compare" ? box.width * S.divider : 0, all = sheets();
  for (const [index, sheet] of all.entries()) drawSheet(sheet, ratio, edge, box, all[index + 1]);
  if (S.labels && S.hover && !S.selected.has(S.hover)) within(() => context.rect(edge, 0, box.width, box.height), () => outlineBox(S.hover));
  if (S.view === "compare") drawDivider(edge, box.height);
  drawDraft();
  find(".nb-scale").textContent = `${Math.round((100 * S.scale * ratio) / S.factor)} %`;
  tell("drawn");
}

function within(shape, action) {
  context.save();
  context.beginPath(); shape(); context.clip("evenodd");
  action();
  context.restore();
}

function placeOf(sheet) {
  const unit = S.scale / S.factor;
  return [S.x + sheet.left * unit, S.y + sheet.top * unit, sheet.width * sheet.step * unit, sheet.height * sheet.step * unit];
}

function drawSheet(sheet, ratio, edge, box, finer) {
  const place = placeOf(sheet);
  context.imageSmoothingEnabled = (S.scale * sheet.step * ratio) / S.factor < 1;
  if (heated()) context.drawImage(sheet.layers.heat, ...place);
  else {
    context.filter = S.brightness === 1 ? "none" : `brightness(${S.brightness})`;
    context.drawImage(sheet.bitmap, ...place);
    context.filter = "none";
  }
  if (!sheet.labels) return;
  const right = () => context.rect(edge, 0, box.width, box.height);
  // The coarse outlines end where the finer part begins.
  within(right, () => within(() => { context.rect(0, 0, box.width, box.height); if (finer) context.rect(...placeOf(finer)); }, () => {
    context.globalAlpha = S.opacity;
    if (!heated() || S.style === "outline") context.drawImage(sheet.layers.overlay, ...place);
    context.globalAlpha = 1;
    if (S.selected.size) context.drawImage(sheet.layers.marks, ...place);
  }));
}

function outlineBox(label) {
  const [left, top, right, bottom] = S.boxes.subarray(4 * label, 4 * label + 4);
  context.strokeStyle = "rgba(255,255,255,0.85)"; context.lineWidth = 1; context.setLineDash([4, 3]);
  context.strokeRect(S.x + left * S.scale - 2, S.y + top * S.scale - 2, (right - left + 1) * S.scale + 4, (bottom - top + 1) * S.scale + 4);
  context.setLineDash([]);
}

function drawDivider(edge, height) {
  context.fillStyle = "rgba(0,0,0,0.5)"; context.fillRect(edge - 2, 0, 4, height);
  context.fillStyle = "#fff"; context.fillRect(edge - 1, 0, 2, height);
  context.beginPath(); context.arc(edge, height / 2, 14, 0, 7); context.fill();
  context.fillStyle = "#334155"; context.font = "14px sans-serif"; context.textAlign = "center"; context.textBaseline = "middle";
  context.fillText("\u2194", edge, height / 2 + 1);
}

function drawDraft() {
  if (S.draft.length < 2) return;
  context.beginPath();
  S.draft.forEach(([x, y], index) => context[index ? "lineTo" : "moveTo"](S.x + x * S.scale, S.y + y * S.scale));
  if (S.tool === "draw") context.closePath();
  for (const [colour, width] of [["#000", 4], ["#fff", 2]]) { context.strokeStyle = colour; context.lineWidth = width; context.stroke(); }
}

const refresh = () => { if (!pending) { pending = true; requestAnimationFrame(draw); } };
on("change", () => { sheets().forEach(repaint); if (S.fitted) fit(); refresh(); });
on("look", () => { sheets().forEach(repaint); refresh(); });
on("selection", () => { sheets().forEach(paintMarks); refresh(); });
new ResizeObserver(refresh).observe(canvas);
