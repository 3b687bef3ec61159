// The table, the histogram and the card of the nucleus under the pointer: three views of the same rows.
const ROW = 28; // pixels; the CSS says the same
const T = { order: [], sort: "label", down: false, query: "", names: [] };
const cell = (column, row) => S.columns[column][row];
const thousands = (count) => count.toLocaleString("en");

// "17" finds nucleus 17; "area > 200" or "eccentricity<=0.5" compares; several conditions are separated by commas.
function matcher(query) {
  const tests = query.split(/,| and /i).map((part) => part.trim()).filter(Boolean).map((part) => {
    const found = part.match(/^([a-zµ_ 0-9]*[a-z][a-zµ_ 0-9]*?)\s*(<=|>=|=|<|>)\s*(-?[\d.]+)$/i);
    if (!found) return (row) => T.names.some((name) => number(cell(name, row)) === part);
    const wanted = found[1].trim().replaceAll(" ", "_").toLowerCase();
    const name = T.names.find((each) => each === wanted) || T.names.find((each) => each.startsWith(wanted)) || T.names.find((each) => each.includes(wanted));
    if (!name) return () => false;
    const limit = Number(found[3]);
    const compare = { "<": (v) => v < limit, ">": (v) => v > limit, "<=": (v) => v <= limit, ">=": (v) => v >= limit, "=": (v) => v === limit }[found[2]];
    return (row) => cell(name, row) !== null && compare(Number(cell(name, row)));
  });
  return (row) => tests.every((test) => test(row));
}

function arrange() {
  const rows = S.columns?.label?.length || 0, matches = matcher(T.query), values = S.columns?.[T.sort];
  T.order = Array.from({ length: rows }, (_, row) => row).filter(matches);
  // Missing values last, whichever way it is sorted.
  if (values) T.order.sort((a, b) => (values[a] === null) - (values[b] === null) || (T.down ? values[b] - values[a] : values[a] - values[b]));
  find(".nb-found").textContent = rows ? (T.order.length === rows ? `${thousands(rows)} in all` : `${thousands(T.order.length)} of ${thousands(rows)}`) : "";
  find(".nb-rows").style.height = `${T.order.length * ROW}px`;
  showRows();
}

function showColumns() {
  T.names = Object.keys(S.columns || {});
  if (!T.names.includes(T.sort)) T.sort = "label";
  find(".nb-columns").replaceChildren(...T.names.map((name) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: titled(name) + (name === T.sort ? (T.down ? " \u25BE" : " \u25B4") : "") });
    button.setAttribute("role", "columnheader");
    button.setAttribute("aria-sort", name === T.sort ? (T.down ? "descending" : "ascending") : "none");
    button.addEventListener("click", () => { T.down = T.sort === name && !T.down; T.sort = name; showColumns(); arrange(); });
    return button;
  }));
  root.style.setProperty("--nb-columns", T.names.length);
}

// Only the rows in sight are in the page: 50,000 nuclei scroll as smoothly as 50.
function showRows() {
  const scroll = find(".nb-scroll"), slice = find(".nb-slice");
  const first = Math.max(Math.floor((scroll.scrollTop - ROW) / ROW), 0), last = Math.min(first + Math.ceil(scroll.clientHeight / ROW) + 3, T.order.length);
  slice.style.transform = `translateY(${first * ROW}px)`;
  slice.replaceChildren(...T.order.slice(first, last).map((row) => {
    const line = document.createElement("div"), label = cell("label", row);
    line.className = S.selected.has(label) ? "nb-row nb-chosen" : "nb-row";
    line.setAttribute("role", "row");
    line.setAttribute("aria-selected", String(S.selected.has(label)));
    line.dataset.label = label;
    line.append(...T.names.map((name) => Object.assign(document.createElement("span"), { textContent: number(cell(name, row)), role: "gridcell" })));
    return line;
  }));
}

function scrollTo(label) {
  const place = T.order.indexOf(S.rowOf.get(label)), scroll = find(".nb-scroll");
  if (place < 0) return;
  const top = place * ROW, seen = scroll.clientHeight - 2 * ROW;
  if (top < scroll.scrollTop || top > scroll.scrollTop + seen) scroll.scrollTop = top - seen / 2;
}

find(".nb-scroll").addEventListener("scroll", showRows);
find(".nb-slice").addEventListener("click", (event) => {
  const line = event.target.closest(".nb-row");
  if (line) { select([Number(line.dataset.label)], event.shiftKey || event.ctrlKey || event.metaKey); bring(Number(line.dataset.label)); }
});
find(".nb-scroll").addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by || !T.order.length) return;
  event.preventDefault();
  const now = T.order.indexOf(S.rowOf.get([...S.selected].at(-1)));
  const label = cell("label", T.order[Math.min(Math.max(now + by, 0), T.order.length - 1)]);
  select([label]);
  bring(label);
});
find(".nb-search").addEventListener("input", (event) => { T.query = event.target.value; find(".nb-scroll").scrollTop = 0; arrange(); });

// Moves the picture only if the nucleus is out of sight.
function bring(label) {
  if (!S.boxes || 4 * label + 3 >= S.boxes.length) return;
  const [left, top, right, bottom] = S.boxes.subarray(4 * label, 4 * label + 4), box = canvas.getBoundingClientRect();
  const x = S.x + ((left + right) / 2) * S.scale, y = S.y + ((top + bottom) / 2) * S.scale;
  if (x < 0 || y < 0 || x > box.width || y > box.height) move(box.width / 2 - x, box.height / 2 - y);
}

function showCard() {
  const card = find(".nb-card"), label = S.hover || (S.selected.size === 1 ? [...S.selected][0] : 0), row = S.rowOf.get(label);
  card.hidden = row === undefined;
  if (card.hidden) return;
  const names = T.names.filter((name) => name !== "label" && !/^(bbox_|min_|max_|centroid_)/.test(name)).slice(0, 10);
  const title = Object.assign(document.createElement("strong"), { textContent: `Nucleus ${label}` });
  card.replaceChildren(title, ...names.flatMap((name) => [
    Object.assign(document.createElement("span"), { textContent: titled(name) }),
    Object.assign(document.createElement("b"), { textContent: number(cell(name, row)) }),
  ]));
}

const BINS = 24;
function showHistogram() {
  const name = find(".nb-column").value, values = S.columns?.[name], bars = find(".nb-bars");
  if (!values?.length) { bars.replaceChildren(); return; }
  const known = values.filter((value) => value !== null).map(Number);
  const low = Math.min(...bounds(known)), high = Math.max(...bounds(known)), width = (high - low) / BINS || 1;
  const bins = Array.from({ length: BINS }, () => []);
  values.forEach((value, row) => value !== null && bins[Math.min(Math.floor((value - low) / width), BINS - 1)].push(S.columns.label[row]));
  const most = Math.max(...bins.map((bin) => bin.length));
  bars.replaceChildren(...bins.map((bin, index) => {
    const bar = document.createElement("button"), from = low + index * width;
    bar.type = "button";
    bar.className = bin.length && bin.some((label) => S.selected.has(label)) ? "nb-chosen" : "";
    bar.title = `${bin.length} from ${number(from)} to ${number(from + width)}`;
    bar.setAttribute("aria-label", `${bar.title}; select them`);
    bar.disabled = !bin.length;
    bar.style.setProperty("--height", `${(100 * bin.length) / most}%`);
    bar.addEventListener("click", (event) => select(bin, event.shiftKey || event.ctrlKey));
    return bar;
  }), ...[low, (low + high) / 2, high].map((value) => Object.assign(document.createElement("span"), { textContent: number(value) })));
}
// Not Math.min(...values): so many arguments overflow the stack.
const bounds = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);

function showNumbers() {
  const before = find(".nb-column").value, skipped = /^(label|bbox_|touches_border|centroid_)/;
  find(".nb-numbers").hidden = !S.columns;
  showColumns();
  const names = T.names.filter((name) => !skipped.test(name));
  find(".nb-column").replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name, textContent: titled(name) })));
  find(".nb-column").value = names.includes(before) ? before : names.find((name) => name.startsWith("area")) || names[0] || "";
  arrange();
  showHistogram();
  showCard();
}
find(".nb-column").addEventListener("change", showHistogram);
on("change", showNumbers);
on("hover", showCard);
on("selection", () => {
  if (S.selected.size) scrollTo([...S.selected].at(-1));
  showRows(); showHistogram(); showCard();
  if (S.tool === "select") hint(S.selected.size > 1 ? `${S.selected.size} nuclei selected` : "");
});
