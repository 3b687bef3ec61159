// The network, run by onnxruntime's WebAssembly, on a picture of any size.
import * as ort from "../vendor/ort.wasm.bundle.min.js";
import { chooseMagnification } from "./magnification.js";
import { roundHalfEven } from "./numbers.js";
import { apply, measure } from "./preprocessing.js";
import { resizeArea, resizeLinear } from "./resize.js";
import { predictTiled } from "./tiling.js";

const MAX_THREADS = 8;

// -> an InferenceSession. Several threads need a page that its server isolates from others.
export async function loadNetwork(runtime, network) {
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MAX_THREADS) : 1;
  ort.env.wasm.wasmBinary = runtime;
  ort.env.logLevel = "error";
  return ort.InferenceSession.create(network, { executionProviders: ["wasm"] });
}

// Segmenter.predict_maps: -> { name: Float32Array of width * height }, probabilities. model: model.json.
export async function predictMaps(session, picture, model, progress) {
  const { width, height } = picture, names = model.maps;
  const range = measure(picture, model.preprocessing), named = (maps, pixels) =>
    Object.fromEntries(names.map((name, map) => [name, maps.subarray(map * pixels, (map + 1) * pixels)]));
  const look = async (planes, size, factor) => named(await magnified(session, planes, size, factor, model), size.width * size.height);
  const factor = await chooseMagnification(picture, model, range, look);
  const tile = roundHalfEven((model.tile / factor) * Math.min(Math.max(factor, 1), 1.5));
  const overlap = Math.min(roundHalfEven(model.overlap / Math.min(factor, 1)), tile >> 1);
  const predict = (place) => {
    const size = { width: place.right - place.left, height: place.bottom - place.top };
    return magnified(session, apply(picture, place, range), size, factor, model);
  };
  const maps = await predictTiled(predict, { maps: names.length, width, height, tile, overlap, progress });
  return named(maps, width * height);
}

async function magnified(session, planes, { width, height }, factor, { maps: names, preprocessing }) {
  const wide = Math.max(roundHalfEven(width * factor), 1), high = Math.max(roundHalfEven(height * factor), 1);
  const same = wide === width && high === height, resize = factor < 1 ? resizeArea : resizeLinear;
  const input = new Float32Array(preprocessing.channels * wide * high);
  const ready = same ? planes : planes.map((plane) => resize(plane, width, height, wide, high));
  for (let channel = 0; channel < preprocessing.channels; channel++) input.set(ready[ready.length === 1 ? 0 : channel], channel * wide * high);
  const image = new ort.Tensor("float32", input, [1, preprocessing.channels, high, wide]);
  const { maps } = await session.run({ image });
  const answer = maps.data.slice();
  maps.dispose();
  if (same) return answer;
  const result = new Float32Array(names.length * width * height);
  names.forEach((_, map) => {
    result.set(resizeLinear(answer.subarray(map * wide * high, (map + 1) * wide * high), wide, high, width, height), map * width * height);
  });
  return result;
}
