// A file of this site, with how much of it is there.
import { PictureError } from "./errors.js";

export async function fetchWhole(url, progress) {
  const name = String(url).split("/").at(-1);
  let answer;
  try {
    answer = await fetch(url);
  } catch {
    throw new PictureError(`${name} cannot be fetched: the server that gave this page is out of reach. Reload the page when it is back.`);
  }
  if (!answer.ok) throw new PictureError(`${name} cannot be fetched (${answer.status}): it belongs beside this page; copy the folder again, whole.`);
  const total = Number(answer.headers.get("content-length")) || 0, parts = [], reader = answer.body.getReader();
  let length = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value);
    length += value.length;
    if (total) progress(Math.min(length / total, 1)); // compressed on its way, more comes out than was announced
  }
  const whole = new Uint8Array(length);
  parts.reduce((end, part) => { whole.set(part, end); return end + part.length; }, 0);
  progress(1);
  return whole;
}
