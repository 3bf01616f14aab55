// The server's API: answers become values, everything else an error with Prometheus' text.
import { fill, prefix, t } from "./dom.js";

export class QueryError extends Error {}

export async function ask(path, params = {}, signal = undefined) {
  let answer;
  try {
    answer = await fetch(`${prefix}/api/v1/${path}`, {
      method: "POST",
      body: new URLSearchParams(params),
      signal,
    });
    answer = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new QueryError(`${t.failed}: ${error.message}`);
  }
  if (answer.status !== "success") throw new QueryError(answer.error);
  return answer;
}

export async function read(path) {
  const answer = await fetch(`${prefix}/api/v1/${path}`);
  const found = await answer.json();
  if (found.status !== "success") throw new QueryError(found.error);
  return found.data;
}

const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Marks of writing direction as their escapes: they would turn what stands around them, too. */
const visible = (text) => text.replace(TURNING, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);

// Longer texts are cut where they are shown, so that no label makes a page that cannot be read.
const LONGEST = 500;
const cut = (text) => (text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}${fill(t.cutOff, { n: (text.length - LONGEST).toLocaleString("en") })}`);

/** A text from outside as it is shown: one line of bounded length, nothing in it turns its surroundings. */
export const shown = (text) => visible(cut(text));

/** Labels in PromQL's form; the name first. */
export function seriesText(metric) {
  const { __name__: name = "", ...labels } = metric;
  const plain = /^[a-zA-Z_:][\w:]*$/.test(name);
  const parts = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${/^[a-zA-Z_]\w*$/.test(key) ? key : JSON.stringify(key)}=${JSON.stringify(cut(value))}`);
  if (name && !plain) parts.unshift(JSON.stringify(name));
  const before = plain ? name : "";
  return visible(parts.length ? `${before}{${parts.join(", ")}}` : before || "{}");
}
