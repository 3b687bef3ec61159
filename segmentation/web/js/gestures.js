// Mouse, touch and keyboard on the picture.

const MOVE = 60; // screen pixels for an arrow key

// hovered: called with the place of the pointer on the canvas, or null when it leaves.
export function listen(viewer, hovered) {
  const { canvas } = viewer, fingers = new Map();
  const place = (event) => { const box = canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };

  canvas.addEventListener("pointerdown", (event) => {
    if (!viewer.width) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event), before = fingers.get(event.pointerId);
    hovered(now);
    if (!before) return;
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = ({ x, y }) => Math.hypot(x - other.x, y - other.y) || 1;
      viewer.zoom(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else viewer.move(now.x - before.x, now.y - before.y);
    fingers.set(event.pointerId, now);
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => hovered(null));
  canvas.addEventListener("dblclick", () => viewer.fit());
  canvas.addEventListener("wheel", (event) => {
    if (!viewer.width) return;
    event.preventDefault();
    const { x, y } = place(event);
    viewer.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), x, y);
  }, { passive: false });

  const zooms = { in: () => viewer.zoom(1.5), out: () => viewer.zoom(1 / 1.5), fit: () => viewer.fit(), native: () => viewer.zoom(1 / (viewer.scale * viewer.ratio)) };
  const keys = {
    "+": zooms.in, "=": zooms.in, "-": zooms.out, 0: zooms.fit, 1: zooms.native,
    ArrowLeft: () => viewer.move(MOVE, 0), ArrowRight: () => viewer.move(-MOVE, 0), ArrowUp: () => viewer.move(0, MOVE), ArrowDown: () => viewer.move(0, -MOVE),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key] || !viewer.width) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => viewer.width && zooms[button.dataset.zoom]());
}
