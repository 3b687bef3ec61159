// Mouse, touch and keyboard on the picture; the toolbar.
const LIMITS = [0.02, 64];

function fit() {
  const box = canvas.getBoundingClientRect();
  if (!S.width || !box.width) return;
  S.scale = Math.min(box.width / S.width, box.height / S.height);
  S.x = (box.width - S.width * S.scale) / 2;
  S.y = (box.height - S.height * S.scale) / 2;
  S.fitted = true;
}

function zoom(factor, x, y) {
  const box = canvas.getBoundingClientRect();
  [x, y] = [x ?? box.width / 2, y ?? box.height / 2];
  const scale = Math.min(Math.max(S.scale * factor, LIMITS[0]), LIMITS[1]);
  S.x = x - ((x - S.x) * scale) / S.scale;
  S.y = y - ((y - S.y) * scale) / S.scale;
  Object.assign(S, { scale, fitted: false });
  refresh();
}

const move = (x, y) => { S.x += x; S.y += y; S.fitted = false; refresh(); };
const ZOOMS = {
  in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit: () => { fit(); refresh(); },
  native: () => zoom(S.factor / (S.scale * (window.devicePixelRatio || 1))),
};

function inPicture(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left - S.x) / S.scale, (event.clientY - box.top - S.y) / S.scale];
}

// To the server: what to correct, in the picture's own pixels, rows before columns.
function correct(kind, detail) {
  if (!S.id || S.busy) return;
  S.busy = true;
  hint("Working\u2026");
  trigger("correct", { id: S.id, kind, ...detail });
}
const ownPixels = (points) => points.map(([x, y]) => [y * S.factor, x * S.factor]);

// The nucleus that the line crosses longest is the one to split.
function crossed(points) {
  const times = new Map();
  for (let i = 1; i < points.length; i++) {
    const [[x, y], [toX, toY]] = [points[i - 1], points[i]], steps = Math.ceil(Math.hypot(toX - x, toY - y)) || 1;
    for (let step = 0; step < steps; step++) {
      const label = labelAt(x + ((toX - x) * step) / steps, y + ((toY - y) * step) / steps);
      if (label) times.set(label, (times.get(label) || 0) + 1);
    }
  }
  return [...times].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function finishDraft() {
  const label = S.tool === "split" ? crossed(S.draft) : undefined;
  if (S.tool === "split" && !label) hint("The line crosses no nucleus: draw right through a clump.");
  else correct(S.tool, { labels: label ? [label] : [], points: ownPixels(S.draft) });
}

function use(label, event) {
  if (S.tool === "delete" && label) correct("delete", { labels: [label] });
  else if (S.tool === "merge" && label) {
    select([label], S.selected.size === 1 && !S.selected.has(label));
    if (S.selected.size === 2) correct("merge", { labels: [...S.selected] });
    else hint("Now click the other part.");
  } else if (S.tool === "select") {
    if (label) select([label], event.shiftKey || event.ctrlKey || event.metaKey);
    else if (!event.shiftKey) select([]);
  }
}

const fingers = new Map();
let drag = null;
canvas.addEventListener("pointerdown", (event) => {
  if (!S.bitmap) return;
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, event);
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left;
  const line = S.view === "compare" && Math.abs(x - box.width * S.divider) < 12;
  const pencil = (S.tool === "split" || S.tool === "draw") && event.button === 0 && !line;
  drag = { x: event.clientX, y: event.clientY, moved: false, what: line ? "divider" : pencil ? "pencil" : "pan" };
  S.draft = pencil ? [inPicture(event)] : [];
});
canvas.addEventListener("pointermove", (event) => {
  if (!S.bitmap) return;
  if (!drag) {
    const label = labelAt(...inPicture(event));
    if (label !== S.hover) { S.hover = label; tell("hover"); refresh(); }
    return;
  }
  const before = fingers.get(event.pointerId);
  if (fingers.size === 2 && before) {
    const [other] = [...fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    const box = canvas.getBoundingClientRect();
    zoom(apart(event) / apart(before), (event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top);
    fingers.set(event.pointerId, event);
    Object.assign(drag, { moved: true, what: "pinch" });
    S.draft = [];
    return;
  }
  if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 3) drag.moved = true;
  if (drag.what === "divider") { S.divider = Math.min(Math.max(S.divider + (event.clientX - before.clientX) / canvas.clientWidth, 0), 1); refresh(); }
  else if (drag.what === "pencil") { S.draft.push(inPicture(event)); refresh(); }
  else if (drag.what === "pan" && drag.moved) move(event.clientX - before.clientX, event.clientY - before.clientY);
  fingers.set(event.pointerId, event);
});
function release(event) {
  fingers.delete(event.pointerId);
  if (!drag || fingers.size) return;
  const { what, moved } = drag;
  drag = null;
  if (event.type === "pointercancel") S.draft = [];
  else if (what === "pencil" && S.draft.length > 2) finishDraft();
  else if (!moved) use(labelAt(...inPicture(event)), event);
  S.draft = [];
  refresh();
}
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
canvas.addEventListener("pointerleave", () => { S.hover = 0; tell("hover"); refresh(); });
canvas.addEventListener("dblclick", () => { if (S.tool === "select") ZOOMS.fit(); });
canvas.addEventListener("wheel", (event) => {
  if (!S.bitmap) return;
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

function step(by) {
  const labels = S.columns?.label || [];
  if (!labels.length) return;
  const now = labels.indexOf([...S.selected].at(-1));
  select([labels[(now + by + labels.length) % labels.length]]);
}
const KEYS = {
  "+": ZOOMS.in, "=": ZOOMS.in, "-": ZOOMS.out, 0: ZOOMS.fit, 1: ZOOMS.native, n: () => step(1), p: () => step(-1),
  ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
  Escape: () => { S.draft = []; select([]); },
  Delete: () => { if (S.selected.size) correct("delete", { labels: [...S.selected] }); },
  m: () => { if (S.selected.size > 1) correct("merge", { labels: [...S.selected] }); },
};
canvas.addEventListener("keydown", (event) => {
  const control = event.ctrlKey || event.metaKey, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (control && (key === "z" || key === "y")) { event.preventDefault(); correct(key === "y" || event.shiftKey ? "redo" : "undo", {}); return; }
  if (control || event.altKey || !KEYS[key] || !S.bitmap) return;
  event.preventDefault();
  KEYS[key]();
});

const HINTS = {
  select: "", delete: "Click what is no nucleus.", merge: "Click two parts of one nucleus.",
  split: "Draw a line right through a clump.", draw: "Draw around a nucleus that was missed.",
};
function press(name, value) {
  findAll(`[data-${name}]`).forEach((button) => button.setAttribute("aria-pressed", String(button.dataset[name] === value)));
}
function choose(name, value, redraw) {
  S[name] = value;
  press(name, value);
  tell(redraw);
}
findAll("[data-view]").forEach((button) => button.addEventListener("click", () => choose("view", button.dataset.view, "look")));
findAll("[data-style]").forEach((button) => button.addEventListener("click", () => choose("style", button.dataset.style, "look")));
findAll("[data-tool]").forEach((button) => button.addEventListener("click", () => { choose("tool", button.dataset.tool, "tool"); hint(HINTS[S.tool]); }));
findAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => S.bitmap && ZOOMS[button.dataset.zoom]()));
findAll("[data-act]").forEach((button) => button.addEventListener("click", () => correct(button.dataset.act, {})));
findAll("[data-look]").forEach((range) => range.addEventListener("input", () => {
  S[range.dataset.look] = Number(range.value);
  if (range.dataset.look === "line") tell("look");
  else refresh();
}));
on("tool", () => { canvas.dataset.tool = S.tool; if (S.tool === "merge") select([]); });
