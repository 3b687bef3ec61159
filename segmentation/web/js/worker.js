// All that takes time, apart from the page: fetching the model, reading, the network, decoding.
import { decode } from "./decode.js";
import { displayLevels } from "./display.js";
import { explain, PictureError } from "./errors.js";
import { fetchWhole } from "./fetching.js";
import { measureNuclei } from "./measurements.js";
import { loadNetwork, predictMaps } from "./network.js";
import { finish, openPicture } from "./pictures.js";

const RUNTIME = "../vendor/ort-wasm-simd-threaded.wasm", NETWORK = "../model.onnx";
let model, network; // model.json, and the promise of an InferenceSession
let picture = null, maps = null;

const tell = (is, detail, transfer = []) => self.postMessage({ is, ...detail }, transfer);
const progress = (step, done) => tell("progress", { step, done });

function load() {
  const parts = [RUNTIME, NETWORK].map((path) => new URL(path, import.meta.url)), loaded = [0, 0];
  const step = (part) => (done) => { loaded[part] = done; progress("Loading the model", (loaded[0] + loaded[1]) / 2); };
  network ??= Promise.all(parts.map((url, part) => fetchWhole(url, step(part)))).then(([runtime, weights]) => loadNetwork(runtime, weights));
  network.catch(() => { network = undefined; }); // so that the next picture tries again
  return network;
}

const TASKS = {
  async start(task) {
    model = task.model;
    await load();
    tell("ready", { threads: self.crossOriginIsolated ? navigator.hardwareConcurrency : 1 });
  },

  async open({ file, page, channel, params }) {
    picture = maps = null;
    const opened = await openPicture(await file.arrayBuffer()), read = await opened.read(page);
    tell("read", { pages: opened.pages, channels: read.planes.length, width: read.width, height: read.height, kind: kindOf(read.planes[0]) });
    const whole = finish(read, channel, model.preprocessing.channels), levels = displayLevels(whole);
    tell("picture", { levels, notes: whole.notes }, levels.map(({ pixels }) => pixels.buffer));
    const session = await load(), start = performance.now();
    progress("Finding nuclei", 0);
    maps = await predictMaps(session, whole, model, (done) => progress("Finding nuclei", done));
    picture = whole;
    found(params, start);
  },

  async decode({ params }) {
    if (maps) found(params, performance.now());
  },
};

function found(params, start) {
  const { width, height } = picture, { labels, count } = decode(maps, params, width, height);
  const table = measureNuclei(labels, count, width, height);
  tell("nuclei", { labels, count, table, params, seconds: (performance.now() - start) / 1000 }, [labels.buffer]);
}

function kindOf(plane) {
  const bits = 8 * plane.BYTES_PER_ELEMENT;
  return plane instanceof Float32Array || plane instanceof Float64Array ? `${bits} bit floating point` : `${bits} bit`;
}

let queue = Promise.resolve(); // one task after the other: a task's answers are not to mix with another's
self.onmessage = ({ data }) => {
  queue = queue.then(() => TASKS[data.task](data)).catch((fault) => {
    if (!(fault instanceof PictureError)) console.error(fault);
    tell("failed", { message: explain(fault), task: data.task });
  });
};
