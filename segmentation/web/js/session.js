// One worker and what it is asked. Stopping ends it, wherever it is, and starts another.

export class Session {
  // model: model.json. heard: called with each of the worker's messages, see worker.js.
  constructor(model, heard) {
    Object.assign(this, { model, heard, asked: null, busy: false, worker: null });
    this.start();
  }

  start() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => { if (worker === this.worker) this.take(data); };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker !== this.worker) return;
      this.stop();
      this.heard({ is: "failed", message: "The part of the page that works ended without a word, most likely out of memory: crop the picture, or use Nucleoscope on your computer." });
    };
    this.worker = worker;
    worker.postMessage({ task: "start", model: this.model });
  }

  open(file, page, channel, params) {
    this.stop(); // of two pictures the later one counts
    this.busy = true;
    this.worker.postMessage({ task: "open", file, page, channel, params });
  }

  // Only the latest of many settings is decoded.
  decode(params) {
    if (this.busy) { this.asked = params; return; }
    this.busy = true;
    this.worker.postMessage({ task: "decode", params });
  }

  stop() {
    if (this.busy) { this.worker.terminate(); this.start(); }
    this.busy = false;
    this.asked = null;
  }

  take(message) {
    if (message.is === "nuclei" || (message.is === "failed" && message.task !== "start")) {
      this.busy = false;
      const params = this.asked;
      this.asked = null;
      if (params && message.is === "nuclei") this.decode(params);
    }
    this.heard(message);
  }
}
