// What the parts of a query gave and took, as a tree in a table, and the statistics of the whole.
import { shown } from "./api.js";
import { el, t } from "./dom.js";
import { number } from "./graph.js";

const MOST_LABELS = 8;

const count = (value) => (value === null ? "" : value.toLocaleString("en"));

/** 0.00123 -> "1.23 ms" */
function span(seconds) {
  if (seconds === null) return "";
  return seconds >= 1 ? `${number(Number(seconds.toPrecision(3)))} s` : `${number(Number((seconds * 1000).toPrecision(3)))} ms`;
}

/** "instance 3, job 2": the labels of a part's series by how many values they have. */
function labelValues(found) {
  const labels = Object.entries(found).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const first = labels.slice(0, MOST_LABELS).map(([name, values]) => `${name} ${count(values)}`);
  return labels.length > MOST_LABELS ? `${first.join(", ")}, …` : first.join(", ");
}

const figure = (name, text) => el("td", { class: "num", "data-name": name }, ...(text ? [text] : []));

function part(node, longest) {
  const text = el("div", { class: "part" }, el("code", {}, el("bdi", {}, shown(node.text))));
  text.style.paddingLeft = `${node.depth * 1.25}rem`;
  const details = [node.note, labelValues(node.labelValues)].filter(Boolean).join(" · ");
  if (details) text.append(el("div", { class: "soft small" }, details));
  const bar = el("i", { class: "share" });
  bar.style.width = `${longest ? (5 * (node.ownTime ?? 0)) / longest : 0}rem`;
  return el(
    "tr",
    { "data-depth": node.depth },
    el("td", {}, text),
    el("td", { class: "nowrap" }, t[node.type]),
    figure(t.seriesCount, count(node.series)),
    figure(t.samplesCount, node.series === null ? "" : count(node.samples)),
    figure(t.stepsCount, node.series === null ? "" : count(node.steps)),
    figure(t.time, span(node.time)),
    el("td", { class: "num own", "data-name": t.ownTime }, ...(node.ownTime === null ? [] : [span(node.ownTime), bar])),
  );
}

export function makePlan({ nodes, stats }) {
  const longest = Math.max(0, ...nodes.map((node) => node.ownTime ?? 0));
  const heads = [t.part, t.kind, t.seriesCount, t.samplesCount, t.stepsCount, t.time, t.ownTime];
  const table = el(
    "table",
    { class: "plan cards" },
    el("thead", {}, el("tr", {}, ...heads.map((head, index) => el("th", { scope: "col", class: index > 1 ? "num" : null }, head)))),
    el("tbody", {}, ...nodes.map((node) => part(node, longest))),
  );
  const { timings, samples } = stats;
  const rows = [
    [t.seriesRead, count(stats.seriesRead)],
    [t.samplesSeen, count(samples.totalQueryableSamples)],
    [t.samplesPeak, count(samples.peakSamples)],
    [t.stepsCount, count(stats.steps)],
    [t.timeQueue, span(timings.execQueueTime)],
    [t.timePrepare, span(timings.queryPreparationTime)],
    [t.timeRead, span(stats.readTime)],
    [t.timeEvaluate, span(timings.innerEvalTime - stats.readTime)],
    [t.timeSort, span(timings.resultSortTime)],
    [t.timeTotal, span(timings.execTotalTime)],
  ];
  const statistics = el("dl", { class: "statistics" }, ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  return [
    el("p", { class: "soft small" }, t.planHint),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t.planTitle }, table),
    el("h2", { class: "statistics-title" }, t.statistics),
    statistics,
  ];
}
