// A large picture comes as a reduced copy. Where one looks closer than that, the part in sight is asked for and laid over.
const CLOSER = 1; // pixels of the screen for one of the copy, above which the copy is too coarse
const MARGIN = 0.2; // of the part in sight, on each side, so that a small move needs no new part
let asked = 0, waiting = null;

// What is wanted for the view as it is, in the picture's own pixels; null where the copy is fine enough.
function wanted() {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  if (!S.bitmap || S.factor === 1 || S.scale * ratio <= CLOSER || !box.width) return null;
  const own = (place) => place * S.factor, wide = box.width / S.scale, high = box.height / S.scale;
  const cut = (value, end) => Math.round(own(Math.min(Math.max(value, 0), end)));
  const sight = [cut(-S.x / S.scale, S.width), cut(-S.y / S.scale, S.height), cut(wide - S.x / S.scale, S.width), cut(high - S.y / S.scale, S.height)];
  if (sight[0] >= sight[2] || sight[1] >= sight[3]) return null;
  const left = cut(-S.x / S.scale - MARGIN * wide, S.width), top = cut(-S.y / S.scale - MARGIN * high, S.height);
  const right = cut((1 + MARGIN) * wide - S.x / S.scale, S.width), bottom = cut((1 + MARGIN) * high - S.y / S.scale, S.height);
  return { sight, left, top, width: right - left, height: bottom - top, step: Math.max(1, Math.floor(S.factor / (S.scale * ratio))) };
}

function covers(sheet, want) {
  const [left, top, right, bottom] = want.sight, step = sheet.step;
  return sheet.version === S.version && step <= want.step && sheet.left <= left && sheet.top <= top
    && sheet.left + sheet.width * step >= Math.min(right, S.width * S.factor - step)
    && sheet.top + sheet.height * step >= Math.min(bottom, S.height * S.factor - step);
}

async function lookCloser() {
  const want = wanted();
  if (!want || (S.closeup && covers(S.closeup, want))) return;
  const number = ++asked, version = S.version;
  const { left, top, width, height, step } = want;
  const sent = await server.closeup({ key: sessionStorage.getItem("nucleoscope-visit") || "", name: S.id, left, top, width, height, step });
  if (!sent || number !== asked || version !== S.version) return;
  const bitmap = await createImageBitmap(await (await fetch(sent.source)).blob());
  const buffer = await inflate(sent.labels.packed);
  const sheet = newSheet({
    left: sent.left, top: sent.top, step: sent.step, width: sent.width, height: sent.height, bitmap, version,
    labels: sent.labels.bytes === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer),
    heat: new Uint8Array(await inflate(sent.foreground.packed)),
  });
  if (number !== asked || version !== S.version) { bitmap.close(); return; }
  dropCloseup();
  S.closeup = sheet;
  repaint(sheet);
  refresh();
}

function dropCloseup() {
  S.closeup?.bitmap.close();
  S.closeup = null;
}

// After a short rest, or every step of a zoom would be a request.
function closer() {
  if (S.factor === 1) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => lookCloser().catch(() => {}), 120); // the copy stays where no part can be had
}
on("drawn", closer);
