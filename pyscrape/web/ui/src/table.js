// The answer of an instant query as rows.
import { el, fill, t } from "./dom.js";
import { seriesText } from "./api.js";
import { formatTime } from "./state.js";

const MOST_ROWS = 1000;
const MOST_POINTS = 100;

function rows(data) {
  if (data.resultType === "scalar" || data.resultType === "string") return [[data.resultType, data.result[1]]];
  return data.result.slice(0, MOST_ROWS).map((series) => {
    const points = series.values ?? (series.value ? [series.value] : []);
    const shown = points.slice(-MOST_POINTS);
    return [seriesText(series.metric), shown.map(([at, value]) => (series.values ? `${value} @ ${formatTime(at)}` : value)).join("\n")];
  });
}

export function makeTable(data) {
  const made = rows(data);
  if (!made.length) return [el("p", { class: "soft" }, t.noData)];
  const total = Array.isArray(data.result) && data.resultType !== "scalar" && data.resultType !== "string" ? data.result.length : 1;
  const table = el(
    "table",
    { class: "result" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t.labels), el("th", { scope: "col", class: "num" }, t.value))),
    el("tbody", {}, ...made.map(([name, value]) => el("tr", {}, el("td", {}, el("code", {}, el("bdi", {}, name))), el("td", { class: "num values" }, value)))),
  );
  const note = total > made.length ? el("p", { class: "soft small" }, fill(t.showing, { n: made.length, all: total })) : null;
  return [table, note].filter(Boolean);
}
