// Second half of the demo's script: the page. gr.HTML calls both as one function with `element`, `props` and `watch`.

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const kernels = {
  convolution: numbersOf(PRESETS.convolution[3][1]), pooling: [], transposed: numbersOf(PRESETS.transposed[0][1]),
};
let name = "convolution", step = STEPS[name], picture = null, source = null;
let next = 0, shown = 0, playing = false; // places: the one to fill next, and the one whose window is shown
let drawn = null, filled = new Set(); // `drawn` is transparent where nothing has come out yet

const weights = () => kernels[name].map((text) => parse(text) ?? 0);
const look = (index) => windowAt(step, source, weights(), index);
const total = () => places(step, source).columns * places(step, source).rows;
const finished = () => filled.size >= total();
const extent = ({ width, height }) => `${width}\u00a0×\u00a0${height}`;
const rounded = (value) => String(Math.round(value * 100) / 100).replace("-", "−");
const drawnAs = (value) => Math.round(Math.min(Math.max(value, 0), 255));

function make(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

function load() {
  const { width, height, pixels } = props.value;
  picture = { width, height, values: Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0)) };
  choose(name);
}

function choose(chosen) {
  name = chosen;
  step = STEPS[name];
  source = name === "transposed" ? pooled(picture) : picture;
  const { columns, rows } = places(step, source);
  const input = part("input"), output = part("output");
  [input.width, input.height] = [source.width, source.height];
  [output.width, output.height] = [columns * step.block, rows * step.block];
  const pixels = new ImageData(source.width, source.height);
  source.values.forEach((value, index) => pixels.data.set([value, value, value, 255], 4 * index));
  input.getContext("2d").putImageData(pixels, 0, 0);
  input.setAttribute("aria-label", `${step.from}, ${extent(source)} pixels. Arrow keys move the window.`);
  part("explain").textContent = step.explain;
  part("from").textContent = `${step.from}: ${extent(source)}`;
  part("to").textContent = `Result: ${extent(output)}`;
  part("patch-title").textContent = step.patch;
  part("products-title").textContent = step.products;
  element.querySelectorAll(".times").forEach((each) => { each.hidden = !step.products; });
  cells("patch", step.side, step.side ** 2);
  cells("products", step.block === 2 ? 2 : step.side, kernels[name].length);
  drawPresets();
  drawKernel();
  restart();
}

function cells(grid, side, count) {
  part(grid).className = "cells";
  part(grid).style.setProperty("--side", side);
  part(grid).replaceChildren(...Array.from({ length: count }, () => make("span", "")));
}

function drawPresets() {
  part("presets").replaceChildren(...PRESETS[name].map(([title, kernel]) => {
    const button = make("button", title, { type: "button" });
    button.dataset.kernel = numbersOf(kernel).join(" ");
    button.addEventListener("click", () => { kernels[name] = numbersOf(kernel); drawKernel(); changed(); });
    return button;
  }));
}

function drawKernel() {
  const side = Math.sqrt(kernels[name].length);
  part("kernel").className = "cells";
  part("kernel").style.setProperty("--side", side);
  part("kernel").replaceChildren(...kernels[name].map((value, place) => {
    const input = make("input", "", { type: "text", value, autocomplete: "off", spellcheck: false });
    input.setAttribute("aria-label", `Kernel, row ${Math.floor(place / side) + 1}, column ${(place % side) + 1}`);
    input.addEventListener("input", () => {
      kernels[name][place] = input.value;
      input.setAttribute("aria-invalid", parse(input.value) === null);
      changed();
    });
    return input;
  }));
  markPreset();
}

function markPreset() {
  const own = kernels[name].join(" ");
  for (const each of part("presets").children) each.setAttribute("aria-pressed", each.dataset.kernel === own);
  const wrong = kernels[name].some((text) => parse(text) === null);
  const known = PRESETS[name].find(([, kernel]) => numbersOf(kernel).join(" ") === own);
  const words = known ? known[2] : "A kernel of your own.";
  const help = "Write numbers such as 2, −0.5 or 1/16; anything else counts as 0.";
  part("meaning").textContent = name === "pooling" ? "" : wrong ? help : words;
}

/** Another kernel: what was finished is finished again, so that kernels can be compared; else from the start. */
function changed() {
  markPreset();
  const place = shown, done = finished();
  restart();
  if (done) { finish(); show(place); }
}

function restart() {
  pause();
  drawn = new ImageData(part("output").width, part("output").height);
  filled = new Set();
  fill(0);
  next = 1;
  show(0);
}

function fill(index) {
  const { column, row, results } = look(index), { block } = step;
  filled.add(index);
  results.forEach((value, place) => {
    const start = 4 * ((row * block + Math.floor(place / block)) * drawn.width + column * block + (place % block));
    drawn.data.fill(value, start, start + 3); // the array itself rounds, and keeps to 0..255
    drawn.data[start + 3] = 255;
  });
}

function finish() {
  pause();
  for (let index = 0; index < total(); index++) fill(index);
  next = total();
  show(shown);
}

function advance(count) {
  const end = Math.min(next + count, total());
  for (; next < end; next++) fill(next);
  show(Math.max(next - 1, 0));
  if (next >= total()) pause();
}

function moveTo(index) {
  pause();
  fill(index);
  next = index + 1;
  show(index);
}

/** A frame around some pixels of a canvas, in percent of it, so that it fits at any size. */
function frame(mark, canvas, left, top, side) {
  const percent = (value, of) => `${(100 * value) / of}%`;
  Object.assign(part(mark).style, {
    left: percent(left, canvas.width), top: percent(top, canvas.height),
    width: percent(side, canvas.width), height: percent(side, canvas.height),
  });
}

function tint(cell, value) {
  const level = drawnAs(value ?? 0);
  cell.textContent = rounded(value ?? 0);
  cell.classList.toggle("outside", value === null);
  cell.style.background = value === null ? "none" : `rgb(${level} ${level} ${level})`;
  cell.style.color = value === null ? "inherit" : level > 135 ? "#000" : "#fff";
}

function show(index) {
  shown = index;
  const { column, row, left, top, patch, products, results } = look(index), { block } = step;
  part("output").getContext("2d").putImageData(drawn, 0, 0);
  frame("window", part("input"), left, top, step.side);
  frame("mark", part("output"), column * block, row * block, block);
  [...part("patch").children].forEach((cell, place) => tint(cell, patch[place]));
  [...part("products").children].forEach((cell, place) => {
    cell.textContent = rounded(products[place]);
    if (block === 2) tint(cell, products[place]);
  });
  const [value] = results, level = drawnAs(value);
  const clipped = level === value ? "" : `,\ndrawn as ${level}`;
  const sum = name === "pooling" ? `The brightest is ${value}.` : `Their sum is ${rounded(value)}${clipped}.`;
  part("total").textContent = block === 2 ? "" : sum;
  part("total").setAttribute("aria-live", playing ? "off" : "polite");
  const [count, all] = [filled.size, total()].map((each) => each.toLocaleString("en"));
  // Read aloud when it stops, not sixty times a second.
  part("progress").setAttribute("aria-live", playing ? "off" : "polite");
  part("progress").textContent = finished() ? `All ${all} places done` : `${count} of ${all} places done`;
}

function pause() {
  playing = false;
  part("play").textContent = "Play";
}

function play() {
  if (playing) { pause(); show(shown); return; }
  if (next >= total()) restart();
  playing = true;
  part("play").textContent = "Pause";
  let due = 0, last = performance.now();
  const tick = (now) => {
    if (!playing) return;
    if (!element.isConnected) { pause(); return; }
    // Whoever asks for less motion sees whole rows appear, two a second, and nothing that slides.
    const unit = still.matches ? places(step, source).columns : 1;
    due += ((now - last) / 1000) * (still.matches ? 2 * unit : speed());
    last = now;
    const count = Math.floor(due / unit) * unit;
    due -= count;
    if (count) advance(count - (next % unit));
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

const speed = () => 2 ** Number(part("speed").value);
function showSpeed() {
  const words = `${speed().toLocaleString("en")} a second`;
  part("rate").textContent = words;
  part("speed").setAttribute("aria-valuetext", words);
}

element.querySelectorAll(".modes input").forEach((each) => each.addEventListener("change", () => choose(each.value)));
part("play").addEventListener("click", play);
part("step").addEventListener("click", () => { pause(); if (next >= total()) restart(); else advance(1); });
part("finish").addEventListener("click", finish);
part("again").addEventListener("click", restart);
part("speed").addEventListener("input", showSpeed);
part("input").addEventListener("pointerdown", (event) => {
  const box = event.currentTarget.getBoundingClientRect(), { columns, rows } = places(step, source);
  const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
  const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
  moveTo(Math.min(Math.max(row, 0), rows - 1) * columns + Math.min(Math.max(column, 0), columns - 1));
});
part("input").addEventListener("keydown", (event) => {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!move) return;
  event.preventDefault();
  const { columns, rows } = places(step, source);
  const column = (shown % columns) + move[0], row = Math.floor(shown / columns) + move[1];
  if (column >= 0 && row >= 0 && column < columns && row < rows) moveTo(row * columns + column);
});
watch("value", load);
showSpeed();
load();
