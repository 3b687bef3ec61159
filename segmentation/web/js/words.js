// Numbers as people say them.
import { median } from "./numbers.js";

const count = (number) => number.toLocaleString("en-US");
export const nuclei = (number) => `${count(number)} ${number === 1 ? "nucleus" : "nuclei"}`;

export function describeResult({ kind, channels }, { width, height }, found) {
  const words = [`${count(width)} \u00d7 ${count(height)} pixels`, `${kind}${channels === 1 ? " grey" : channels === 3 ? " RGB" : `, ${channels} channels`}`];
  if (found?.count) words.push(`median area ${count(median(found.table.area))} px\u00b2`);
  if (found) words.push(`${found.seconds < 10 ? found.seconds.toFixed(1) : Math.round(found.seconds)} s`);
  return words.join(" \u00b7 ");
}

// What the model's card says, as pairs of a term and a text. model: model.json.
export function describeModel({ revision, license, training, magnification, diameter }) {
  const facts = [["Trained on", training.data], ["Pictures", training.pictures], ["Revision", revision || "unsaved"], ["Licence of the weights", license]];
  if (diameter) facts.push(["Magnification", "by the size of the nuclei, before the network"]);
  else if (magnification !== 1) facts.push(["Magnification", `${magnification} times, before the network`]);
  return facts.filter(([, text]) => text).map(([term, text]) => [term, String(text)]);
}

const METRICS = { kaggle: "Kaggle score", ap50: "AP at IoU 0.5" };

// Scores on pictures that the training never saw, as rows of a table with a heading; empty where there are none.
export function describeScores({ scores }) {
  const rows = new Map();
  for (const [name, value] of Object.entries(scores)) {
    const [, metric, kind] = /^held-out (\w+)(?:, (.+))?$/.exec(name) ?? [];
    if (!(metric in METRICS)) continue;
    const title = kind ?? "all";
    rows.set(title, { ...rows.get(title), [metric]: Number(value).toFixed(2) });
  }
  if (!rows.size) return [];
  const shown = Object.keys(METRICS).filter((metric) => [...rows.values()].some((row) => row[metric]));
  return [["", ...shown.map((metric) => METRICS[metric])], ...[...rows].map(([title, row]) => [title, ...shown.map((metric) => row[metric] ?? "")])];
}
