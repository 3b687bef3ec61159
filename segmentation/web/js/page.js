// The page: what is opened, what is shown, what is taken home.
import { download, labelsFile, overlayFile, tableFile } from "./files.js";
import { listen } from "./gestures.js";
import { usePalette } from "./palette.js";
import { Session } from "./session.js";
import { Viewer } from "./viewer.js";
import { describeModel, describeResult, describeScores, nuclei } from "./words.js";

const $ = (id) => document.getElementById(id), all = (selector) => [...document.querySelectorAll(selector)];
const KNOBS = ["threshold", "separation", "min_probability", "min_area"];
// params: how nuclei are told apart, exactly, which a slider's steps may not hold; found: the worker's last answer.
const state = { file: null, name: "", read: null, levels: null, params: null, found: null };
let model, session, viewer;

function open(file, page = 0, channel = null) {
  const another = file !== state.file;
  Object.assign(state, { file, name: file.name.replace(/(\.ome)?\.[^.]*$/i, "") || "picture", read: null, levels: null, found: null });
  if (another) $("reading").hidden = true;
  $("result").hidden = true;
  complain("");
  showBusy("Reading the picture");
  showFound();
  session.open(file, page, channel, state.params);
}

const heard = {
  ready: ({ threads }) => { document.body.dataset.threads = threads; if (!session.busy) showBusy(null); },
  progress: ({ step, done }) => { if (session.busy) showBusy(step, done); },
  read(read) {
    state.read = read;
    showReading();
  },
  picture({ levels, notes }) {
    state.levels = levels;
    viewer.showPicture(levels);
    if (document.body.dataset.empty !== undefined) $("about").open = false;
    delete document.body.dataset.empty;
    $("notes").replaceChildren(...notes.map((note) => element("li", note)));
    $("result").hidden = false;
    showFound();
  },
  nuclei(found) {
    state.found = found;
    document.body.dataset.decoded = Number(document.body.dataset.decoded ?? 0) + 1;
    if (!session.busy) showBusy(null);
    viewer.showLabels(found.labels);
    showFound();
  },
  failed({ message, task }) {
    showBusy(null);
    complain(message);
    if (task !== "start") showFound();
  },
};

function complain(message) {
  $("problem").hidden = !message;
  $("problem").textContent = message;
}

function showBusy(step, done) {
  $("busy").hidden = !step;
  $("step").textContent = step ?? "";
  if (done === undefined) $("progress").removeAttribute("value");
  else $("progress").value = done;
  document.body.dataset.busy = String(Boolean(step));
}

function showFound() {
  const { found, levels, read } = state;
  $("count").textContent = found ? nuclei(found.count) : levels ? "\u2026" : "";
  $("detail").textContent = levels ? describeResult(read, levels[0], found) : "";
  $("again").hidden = !levels || Boolean(found) || session.busy;
  for (const button of all("[data-save]")) button.disabled = !found;
  $("canvas").setAttribute("aria-label", levels ? `${state.name}: ${found ? nuclei(found.count) : "picture"}. Arrow keys move, plus and minus zoom.` : "No picture yet");
}

function showReading() {
  const { pages, channels } = state.read, select = $("channel");
  $("reading").hidden = pages === 1 && channels === 1;
  $("page-label").hidden = pages === 1;
  $("page").max = pages;
  $("pages").textContent = `of ${pages}`;
  $("channel-label").hidden = channels === 1;
  if (select.options.length === channels + 1) return;
  const names = channels === 3 ? [" (red)", " (green)", " (blue)"] : [];
  const whole = channels === 3 ? "All three, as RGB" : "Choose one";
  select.replaceChildren(new Option(whole, ""), ...Array.from({ length: channels }, (_, index) => new Option(`${index}${names[index] ?? ""}`, index)));
}

function reread() {
  const page = Math.min(Math.max(Math.round(Number($("page").value)) || 1, 1), Number($("page").max)), channel = $("channel").value;
  $("page").value = page;
  open(state.file, page - 1, channel === "" ? null : Number(channel));
}

function setParams(params) {
  state.params = params;
  for (const knob of KNOBS) {
    $(knob).value = params[knob];
    $(knob).closest("label").querySelector("output").textContent = knob === "min_area" ? params[knob] : params[knob].toFixed(2);
  }
  if (state.found) session.decode(params);
}

const SAVES = {
  labels: async ({ labels }, { width, height }) => download(await labelsFile(labels, width, height), `${state.name}_labels.tif`),
  overlay: async ({ labels }, level) => download(await overlayFile(level, labels, level.width, level.height), `${state.name}_overlay.png`),
  table: async ({ table }) => download(tableFile(table), `${state.name}_nuclei.csv`),
};

function receive(files) {
  if (!files.length) return;
  $("page").value = 1;
  $("channel").replaceChildren();
  open(files[0]);
  if (files.length > 1) complain(`One picture at a time: ${files[0].name} is shown, and ${files.length - 1} more are left out.`);
}

function listenToPage() {
  const stage = $("stage");
  $("file").addEventListener("change", () => { receive([...$("file").files]); $("file").value = ""; });
  document.addEventListener("paste", (event) => receive([...(event.clipboardData?.files ?? [])]));
  document.addEventListener("dragover", (event) => { event.preventDefault(); stage.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) stage.classList.remove("over"); });
  document.addEventListener("drop", (event) => { event.preventDefault(); stage.classList.remove("over"); receive([...event.dataTransfer.files]); });
  $("stop").addEventListener("click", () => { session.stop(); showBusy(null); showFound(); });
  $("again").addEventListener("click", reread);
  for (const id of ["page", "channel"]) $(id).addEventListener("change", reread);
  for (const knob of KNOBS) $(knob).addEventListener("input", () => setParams({ ...state.params, [knob]: Number($(knob).value) }));
  $("reset").addEventListener("click", () => setParams(model.decode));
  for (const button of all("[data-style]")) button.addEventListener("click", () => {
    for (const each of all("[data-style]")) each.setAttribute("aria-pressed", String(each === button));
    viewer.setStyle(button.dataset.style);
  });
  for (const button of all("[data-save]")) button.addEventListener("click", () => SAVES[button.dataset.save](state.found, state.levels[0]).catch((fault) => complain(`The file could not be made: ${fault.message}.`)));
}

function showHovered(place) {
  const label = place ? viewer.labelAt(place.x, place.y) : 0, tip = $("tip");
  tip.hidden = !label;
  if (label) tip.textContent = `Nucleus ${label}: ${state.found.table.area[label - 1]} px\u00b2`;
}

function showExamples() {
  $("examples").replaceChildren(...model.examples.map(({ file, name }) => {
    const button = element("button", "", Object.assign(new Image(), { src: file, alt: "" }), element("span", name));
    button.type = "button";
    button.addEventListener("click", async () => {
      try {
        receive([new File([await (await fetch(file)).blob()], file.split("/").at(-1))]);
      } catch {
        complain("The example cannot be fetched: the server that gave this page is out of reach.");
      }
    });
    return button;
  }));
}

const element = (name, textContent, ...within) => {
  const made = Object.assign(document.createElement(name), { textContent });
  made.append(...within);
  return made;
};

function showModel() {
  const [heading, ...rows] = describeScores(model);
  $("facts").replaceChildren(...describeModel(model).flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
  $("scores").hidden = !heading;
  if (!heading) return;
  const row = (cells, name) => element("tr", "", ...cells.map((cell, index) => element(index ? name : "th", cell)));
  const measured = model.scores["held-out pictures"];
  $("scores").replaceChildren(element("caption", `Scores on ${measured ? `${measured} ` : ""}pictures that the training never saw`), row(heading, "th"), ...rows.map((cells) => row(cells, "td")));
}

async function start() {
  $("cold").remove();
  document.querySelector("main").hidden = false;
  try {
    model = await (await fetch("model.json")).json();
  } catch {
    complain("model.json cannot be fetched: it belongs beside this page; copy the folder again, whole.");
    return;
  }
  usePalette(model.palette);
  $("separation").max = model.separation_limit;
  $("separation").step = model.separation_limit / 50;
  $("min_area").max = Math.max(500, model.decode.min_area);
  setParams(model.decode);
  showModel();
  viewer = new Viewer($("canvas"), () => { $("scale").textContent = `${Math.round(100 * viewer.scale * viewer.ratio)} %`; });
  listen(viewer, showHovered);
  session = new Session(model, (message) => heard[message.is](message));
  showExamples();
  listenToPage();
  window.nucleoscope = { state, viewer, session }; // for tests and the curious; nothing here leaves the browser
}

start();
