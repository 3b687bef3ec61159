// What the workbench knows: one picture, its nuclei, and how they are looked at. Shared by the files that follow.
const root = element.querySelector(".nb");
const find = (selector) => root.querySelector(selector);
const findAll = (selector) => [...root.querySelectorAll(selector)];
const canvas = find(".nb-canvas");
const S = {
  id: null, bitmap: null, width: 0, height: 0, // the picture as shown; `factor` of its own pixels for one of these
  factor: 1, labels: null, count: 0, boxes: null, heat: null, columns: null, rowOf: new Map(),
  closeup: null, version: 0, // a finer part of a reduced picture; counts what makes such a part outdated
  view: "overlay", style: "outline", opacity: 1, line: 1, brightness: 1, tool: "select",
  scale: 1, x: 0, y: 0, fitted: true, divider: 0.5, hover: 0, selected: new Set(), draft: [], busy: false,
};
const listeners = {};
const on = (name, react) => (listeners[name] ||= []).push(react);
const tell = (name) => (listeners[name] || []).forEach((react) => react());

async function inflate(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// Labels travel compressed rather than as a picture: browsers that guard against fingerprinting alter read-back pixels.
async function takeLabels(sent) {
  const buffer = await inflate(sent.packed);
  const labels = sent.bytes === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
  let highest = 0;
  for (const label of labels) if (label > highest) highest = label;
  const boxes = new Int32Array(4 * (highest + 1)).fill(-1); // left, top, right, bottom of each label, inclusive
  for (let y = 0, at = 0; y < S.height; y++)
    for (let x = 0; x < S.width; x++, at++) {
      const label = labels[at];
      if (!label) continue;
      const box = 4 * label;
      if (boxes[box] < 0) { boxes[box] = x; boxes[box + 1] = y; boxes[box + 2] = x; boxes[box + 3] = y; continue; }
      if (x < boxes[box]) boxes[box] = x;
      if (x > boxes[box + 2]) boxes[box + 2] = x;
      boxes[box + 3] = y;
    }
  Object.assign(S, { labels, boxes, count: sent.count });
}

async function takePicture(sent) {
  const blob = await (await fetch(sent.source)).blob();
  const bitmap = await createImageBitmap(blob);
  const same = S.bitmap && S.width === sent.width && S.height === sent.height && S.name === sent.name;
  S.bitmap?.close();
  Object.assign(S, { bitmap, width: sent.width, height: sent.height, factor: sent.factor, name: sent.name });
  S.heat = null;
  if (!same) S.fitted = true;
}

function takeTable(columns) {
  S.columns = columns;
  S.rowOf = new Map((columns.label || []).map((label, row) => [label, row]));
}

// Values come in the order of the server's answers; each is taken whole before the next, or an old one could win.
let queue = Promise.resolve();
function take(value) {
  queue = queue.then(() => takeNow(value)).catch((fault) => { hint(`The picture could not be shown: ${fault.message}`); });
}

async function takeNow(value) {
  S.busy = false;
  if (!value || !value.picture) {
    if (!value || !value.id) { S.bitmap?.close(); Object.assign(S, { id: null, bitmap: null, labels: null, columns: null }); S.selected.clear(); tell("change"); return; }
  } else await takePicture(value.picture);
  if (value.picture || value.labels) { S.version++; dropCloseup(); }
  if (value.labels) await takeLabels(value.labels);
  if (value.foreground) S.heat = new Uint8Array(await inflate(value.foreground.packed));
  if (value.table) takeTable(value.table);
  if (value.id !== S.id) { S.selected.clear(); S.draft = []; }
  S.id = value.id;
  S.hover = 0;
  for (const label of S.selected) if (!S.rowOf.has(label)) S.selected.delete(label);
  find('[data-act="undo"]').disabled = !value.canUndo;
  find('[data-act="redo"]').disabled = !value.canRedo;
  hint(value.message || "");
  tell("change");
}

function select(labels, keep = false) {
  if (!keep) S.selected.clear();
  for (const label of labels) {
    if (keep && S.selected.has(label)) S.selected.delete(label);
    else S.selected.add(label);
  }
  tell("selection");
}

// At a place of the picture as shown; from the finer part where there is one.
function labelAt(x, y) {
  if (!S.labels || x < 0 || y < 0 || x >= S.width || y >= S.height) return 0;
  const close = S.closeup;
  if (close) {
    const column = Math.floor((x * S.factor - close.left) / close.step), row = Math.floor((y * S.factor - close.top) / close.step);
    if (column >= 0 && row >= 0 && column < close.width && row < close.height) return close.labels[row * close.width + column];
  }
  return S.labels[Math.floor(y) * S.width + Math.floor(x)];
}
const hint = (text) => { find(".nb-hint").textContent = text; };
const number = (value) => (value === null || value === undefined ? "" : typeof value === "boolean" ? (value ? "yes" : "no")
  : Number.isInteger(value) ? String(value) : Math.abs(value) >= 1000 ? value.toFixed(0) : Number(value.toPrecision(4)).toString());
const titled = (column) => column.replace(/_px2$/, " (px²)").replace(/_um2$/, " (µm²)").replace(/_px$/, " (px)").replace(/_um$/, " (µm)").replace(/_deg$/, " (°)").replaceAll("_", " ");
