// The graph of a range query: lines or a stack, zoom by dragging, a legend whose entries switch series.
import uPlot from "uplot";
import { dark, el, fill, system, t } from "./dom.js";
import { seriesText } from "./api.js";
import { formatTime } from "./state.js";

const MOST_SERIES = 200;
const HEIGHT = 360;
// Day, hour and second marks with 24 hours; the second line says what the first leaves out.
const DAY = "\n{YYYY}-{MM}-{DD}";
const TIMES = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
  [0.001, ":{ss}.{fff}", `${DAY} {HH}:{mm}`, null, null, null, "\n{HH}:{mm}", null, 1],
];
const NUMBERS = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

// Marks of the time axis: uPlot's own, with twenty seconds, two minutes and others between, so that narrow graphs have several.
const EACH = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600,
  7200, 10800, 14400, 21600, 28800, 43200, 86400, 172800, 345600, 604800, 1209600, 2592000, 5184000, 7776000, 15552000,
  31536000, 63072000, 157680000, 315360000,
];

// Every hue is as light as the others: in HSL yellow and green would be pale on white. Neighbours differ in lightness too.
const colour = (index) => {
  const light = dark() ? [0.76, 0.66] : [0.5, 0.6];
  return `oklch(${light[index % 2]} 0.15 ${(index * 137.5 + 250) % 360})`;
};
const css = (name) => {
  const probe = el("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

export function number(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(3);
  return NUMBERS.format(value);
}

function axisNumber(value) {
  const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]];
  for (const [size, unit] of units) {
    if (Math.abs(value) >= size) {
      const scale = unit === "k" ? 1e3 : size;
      return `${Number((value / scale).toPrecision(6))}${unit}`;
    }
  }
  return number(value);
}

/** Columns on the query's one grid of steps; a series has null where it has no sample. */
function columns(result, start, end, step) {
  const count = Math.floor((end - start) / step + 1e-6) + 1;
  const times = Array.from({ length: count }, (_, index) => start + index * step);
  const values = result.map((series) => {
    const column = new Array(count).fill(null);
    for (const [at, text] of series.values) {
      const value = Number(text.replace("+Inf", "Infinity").replace("-Inf", "-Infinity"));
      column[Math.round((at - start) / step)] = Number.isFinite(value) ? value : null;
    }
    return column;
  });
  return [times, values];
}

function stacked(values, shown) {
  const sums = new Array(values[0]?.length ?? 0).fill(0);
  return values.map((column, index) =>
    shown[index] ? column.map((value, at) => (value === null ? null : (sums[at] += value))) : column,
  );
}

export class Graph {
  constructor(parent, { result, start, end, step, stack, local, onZoom, onBack }) {
    this.names = result.map((series) => seriesText(series.metric));
    this.all = result.length;
    const kept = result.slice(0, MOST_SERIES);
    [this.times, this.values] = columns(kept, start, end, step);
    this.shown = kept.map(() => true);
    this.stack = stack;
    this.local = local;
    this.onZoom = onZoom;
    this.box = el("div", { class: "plot", tabindex: "-1" });
    this.tip = el("div", { class: "plot-tip", hidden: true });
    this.legend = el("div", { class: "legend", role: "group", "aria-label": t.labels });
    parent.append(this.box, this.legend);
    if (this.all > kept.length)
      parent.append(el("p", { class: "soft small" }, fill(t.showing, { n: kept.length, all: this.all })));
    this.box.addEventListener("dblclick", onBack);
    this.draw();
    this.drawLegend();
    this.watch = new ResizeObserver(() => this.plot.setSize({ width: this.box.clientWidth, height: HEIGHT }));
    this.watch.observe(this.box);
    this.onTheme = () => (this.draw(), this.drawLegend());
    addEventListener("themechange", this.onTheme);
    system.addEventListener("change", this.onTheme);
  }

  close() {
    this.watch.disconnect();
    removeEventListener("themechange", this.onTheme);
    system.removeEventListener("change", this.onTheme);
    this.plot.destroy();
  }

  draw() {
    this.plot?.destroy();
    const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
    const drawn = this.stack ? stacked(this.values, this.shown) : this.values;
    const seen = this.shown.map((on, index) => (on ? index : -1)).filter((index) => index >= 0);
    const options = {
      width: this.box.clientWidth || 800,
      height: HEIGHT,
      legend: { show: false },
      tzDate: (at) => (this.local ? new Date(at * 1000) : uPlot.tzDate(new Date(at * 1000), "Etc/UTC")),
      cursor: { drag: { x: true, y: false, setScale: false }, focus: { prox: 24 }, points: { size: 6 } },
      focus: { alpha: this.values.length > 1 ? 0.35 : 1 },
      scales: { y: { range: (_, low, high) => this.span(low, high) } },
      axes: [{ ...axis, values: TIMES, incrs: EACH, space: (_plot, _axis, _from, _to, wide) => Math.max(72, wide / 12) }, { ...axis, size: 64, values: (_, ticks) => ticks.map(axisNumber) }],
      series: [
        {},
        ...this.values.map((_, index) => ({
          label: this.names[index],
          stroke: colour(index),
          width: 1.5,
          show: this.shown[index],
          fill: this.stack ? colour(index).replace(")", " / 0.35)") : undefined,
          points: { show: (plot, place) => this.alone(drawn[place - 1]) },
        })),
      ],
      bands: this.stack ? seen.slice(1).map((index, at) => ({ series: [index + 1, seen[at] + 1] })) : [],
      hooks: {
        setSelect: [(plot) => this.zoom(plot)],
        setCursor: [(plot) => this.point(plot)],
      },
    };
    this.plot = new uPlot(options, [this.times, ...drawn], this.box);
    this.plot.over.append(this.tip);
    this.plot.root.querySelector("canvas").setAttribute("aria-hidden", "true");
  }

  alone(column) {
    return column.filter((value) => value !== null).length < 2;
  }

  span(low, high) {
    if (low === null || high === null) return [0, 1];
    if (this.stack) low = Math.min(0, low);
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
  }

  zoom(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.onZoom(from, to);
  }

  point(plot) {
    const { idx, left, top } = plot.cursor;
    if (idx === null || idx === undefined || left < 0) return void (this.tip.hidden = true);
    let nearest = -1;
    let best = Infinity;
    for (let index = 0; index < this.values.length; index++) {
      const value = plot.data[index + 1][idx];
      if (!this.shown[index] || value === null || value === undefined) continue;
      const away = Math.abs(plot.valToPos(value, "y") - top);
      if (away < best) [best, nearest] = [away, index];
    }
    if (nearest < 0) return void (this.tip.hidden = true);
    const swatch = el("i", { class: "swatch" });
    swatch.style.backgroundColor = colour(nearest);
    this.tip.replaceChildren(
      el("div", { class: "soft" }, formatTime(this.times[idx], this.local)),
      el("div", {}, swatch, el("b", {}, number(this.values[nearest][idx]))),
      el("div", { class: "tip-name" }, this.names[nearest]),
    );
    this.tip.hidden = false;
    const right = left > plot.over.clientWidth / 2;
    this.tip.style.transform = `translate(${Math.round(left + (right ? -12 : 12))}px, 12px) translateX(${right ? "-100%" : "0"})`;
  }

  drawLegend() {
    this.legend.replaceChildren(
      ...this.values.map((_, index) => {
        const swatch = el("i", { class: "swatch" });
        swatch.style.backgroundColor = colour(index);
        return el(
          "button",
          {
            type: "button",
            class: "plain entry",
            title: t.legendHint,
            "aria-pressed": String(this.shown[index]),
            onclick: (event) => this.toggle(index, event.ctrlKey || event.metaKey || event.shiftKey),
          },
          swatch,
          el("span", {}, this.names[index]),
        );
      }),
    );
  }

  toggle(index, several) {
    const only = this.shown.every((on, at) => on === (at === index));
    if (several) this.shown[index] = !this.shown[index];
    else this.shown = this.shown.map((_, at) => only || at === index);
    this.draw();
    [...this.legend.children].forEach((entry, at) => entry.setAttribute("aria-pressed", String(this.shown[at])));
  }
}
