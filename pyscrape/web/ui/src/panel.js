// One expression with its table or graph. The panel's state is plain data; drawing follows it.
import { ask } from "./api.js";
import { chooseBefore, chooseMetric, note } from "./dialogs.js";
import { counted, el, recall, t } from "./dom.js";
import { makeEditor } from "./editor.js";
import { Graph } from "./graph.js";
import { duration, formatTime, parseTime, seconds } from "./state.js";
import { makePlan } from "./plan.js";
import { makeTable } from "./table.js";

const STEPS = 250;
const RANGES = ["1m", "5m", "15m", "30m", "1h", "2h", "6h", "12h", "1d", "2d", "1w", "2w", "4w"];

let made = 0;

export class Panel {
  constructor(state, { onCommit, onRemove }) {
    this.state = state;
    this.commit = onCommit;
    this.before = [];
    this.error = el("div", { class: "notice bad", role: "alert", hidden: true });
    this.notes = el("div", {});
    this.stats = el("p", { class: "soft small stats", role: "status" });
    this.output = el("div", { class: "output" });
    this.controls = el("div", { class: "controls" });
    this.run = el("button", { type: "button", class: "main", onclick: () => this.execute(true) }, t.run);
    const frame = el("div", { class: "editor" });
    const insert = (text) => this.insert(text);
    const button = (text, act) => el("button", { type: "button", class: "plain small", onclick: act }, text);
    this.element = el(
      "section",
      { class: "box panel", "aria-label": `${t.panel} ${++made}` },
      el("div", { class: "asking" }, frame, this.run),
      el(
        "div",
        { class: "controls" },
        this.tabs(),
        button(t.metrics, () => chooseMetric(insert).catch((error) => this.fail(error))),
        button(t.history, () => chooseBefore((text) => this.replace(text))),
        el("button", { type: "button", class: "plain small push", title: t.removePanel, "aria-label": t.removePanel, onclick: () => onRemove(this) }, "✕"),
      ),
      this.controls,
      this.error,
      this.notes,
      this.output,
      this.stats,
    );
    this.editor = makeEditor({
      parent: frame,
      text: state.expr,
      onRun: () => this.execute(true),
      onChange: (text) => (this.state.expr = text),
    });
    this.showControls();
    if (!state.expr.trim()) this.output.append(el("p", { class: "soft" }, t.noDataYet));
  }

  tabs() {
    const make = (name, text) =>
      el("button", { type: "button", class: "small", "data-tab": name, "aria-pressed": String(this.state.tab === name), onclick: () => this.change({ tab: name }) }, text);
    return (this.tabButtons = el("span", { class: "group", role: "group", "aria-label": t.shownAs }, make("table", t.table), make("graph", t.graph), make("explain", t.plan)));
  }

  insert(text) {
    const { from, to } = this.editor.state.selection.main;
    this.editor.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length } });
    this.editor.focus();
  }

  replace(text) {
    this.editor.dispatch({ changes: { from: 0, to: this.editor.state.doc.length, insert: text } });
    this.execute(true);
  }

  change(changes) {
    Object.assign(this.state, changes);
    for (const one of this.tabButtons.children) one.setAttribute("aria-pressed", String(one.dataset.tab === this.state.tab));
    this.showControls();
    this.execute(true);
  }

  /** Range, end, resolution and form of a graph; the moment of a table. */
  showControls() {
    const { state } = this;
    const button = (text, name, act, pressed) =>
      el("button", { type: "button", class: "small", title: name, "aria-label": name, "aria-pressed": pressed, onclick: act }, text);
    const field = (label, value, hint, size, act) =>
      el("label", { class: "small soft" }, `${label} `, el("input", { type: "text", class: "small", value, placeholder: hint, size, spellcheck: "false", onchange: (event) => act(event.target.value.trim()) }));
    const local = recall("local", false);
    const hint = local ? t.localTime : t.utc;
    const asShown = (text) => (text && local ? formatTime(parseTime(text), true) : text);
    const asKept = (text) => {
      if (!text) return "";
      const at = local ? Date.parse(text.replace(" ", "T")) / 1000 : parseTime(text);
      return Number.isFinite(at) ? formatTime(at) : "";
    };
    const choice = (name, key, text) => button(text, text, () => this.change({ [name]: key }), String(state[name] === key));
    const chosen = (name, label, texts) =>
      el("span", { class: "group", role: "group", "aria-label": label }, ...Object.entries(texts).map(([key, text]) => choice(name, key, text)));
    const planned = state.tab === "explain" ? [chosen("plan_of", t.plan, { range: t.planOfRange, instant: t.planOfInstant })] : [];
    if (!this.ranged) {
      this.controls.replaceChildren(...planned, field(t.evaluateAt, asShown(state.moment_input), `${t.now} (${hint})`, 20, (text) => this.change({ moment_input: asKept(text) })));
      return;
    }
    const range = seconds(state.range_input) || 3600;
    const other = (direction) => {
      const sizes = RANGES.map(seconds);
      const next = direction > 0 ? sizes.find((size) => size > range) : sizes.findLast((size) => size < range);
      if (next) this.change({ range_input: duration(next) });
    };
    const move = (direction) => {
      const end = (state.end_input ? parseTime(state.end_input) : Date.now() / 1000) + (direction * range) / 2;
      this.change({ end_input: end > Date.now() / 1000 ? "" : formatTime(end) });
    };
    this.controls.replaceChildren(
      ...planned,
      el("span", { class: "group" }, button("−", t.shorter, () => other(-1)),
        field(t.range, state.range_input, "1h", 5, (text) => this.change({ range_input: seconds(text) > 0 ? text : "1h" })),
        button("+", t.longer, () => other(1))),
      el("span", { class: "group" }, button("‹", t.earlier, () => move(-1)),
        field(t.end, asShown(state.end_input), `${t.now} (${hint})`, 20, (text) => this.change({ end_input: asKept(text) })),
        button("›", t.later, () => move(1))),
      field(t.resolution, state.step_input, t.auto, 6, (text) => this.change({ step_input: seconds(text) > 0 ? String(seconds(text)) : "" })),
      ...(state.tab === "graph" ? [chosen("display_mode", t.graph, { lines: t.lines, stacked: t.stacked })] : []),
    );
  }

  /** Whether the panel asks for a range of times. */
  get ranged() {
    return this.state.tab === "graph" || (this.state.tab === "explain" && this.state.plan_of === "range");
  }

  window() {
    const range = seconds(this.state.range_input) || 3600;
    const asked = this.state.end_input ? parseTime(this.state.end_input) : Date.now() / 1000;
    const step = Number(this.state.step_input) || Math.max(Math.floor(range / STEPS), 1);
    const end = Number.isFinite(asked) ? asked : Date.now() / 1000;
    return { start: end - range, end, step };
  }

  async execute(committed = false) {
    const { state } = this;
    this.asking?.abort();
    if (committed) this.commit();
    if (!state.expr.trim()) return;
    const mine = (this.asking = new AbortController());
    this.run.textContent = t.running;
    const begin = performance.now();
    try {
      const window = this.window();
      const at = state.moment_input ? { time: parseTime(state.moment_input) } : {};
      const params = { query: state.expr, ...(this.ranged ? window : at), stats: "all" };
      const path = state.tab === "explain" ? "query_plan" : this.ranged ? "query_range" : "query";
      const answer = await ask(path, params, mine.signal);
      note(state.expr);
      this.show(answer, window, performance.now() - begin);
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error);
    } finally {
      if (this.asking === mine) this.run.textContent = t.run;
    }
  }

  fail(error) {
    this.clear();
    this.error.hidden = false;
    const place = /(\d+):(\d+): parse error/.exec(error.message);
    const line = place && this.state.expr.split("\n")[Number(place[1]) - 1];
    const column = place ? Number(place[2]) : 0;
    this.error.replaceChildren(error.message);
    if (line !== null && line !== undefined)
      this.error.append(el("pre", {}, line, "\n", `${" ".repeat(Math.max(0, [...line.slice(0, column - 1)].length))}^`));
  }

  clear() {
    this.graph?.close();
    this.graph = undefined;
    this.error.hidden = true;
    this.notes.replaceChildren();
    this.output.replaceChildren();
    this.stats.textContent = "";
  }

  show({ data, warnings = [], infos = [] }, window, took) {
    this.clear();
    const notice = (kind) => (text) => el("p", { class: `notice ${kind}` }, text);
    this.notes.append(...warnings.map(notice("warn")), ...infos.map(notice("")));
    if (data.nodes) return void this.output.append(...makePlan(data));
    const count = Array.isArray(data.result) ? data.result.length : 1;
    if (data.resultType !== "matrix" || this.state.tab === "table") this.output.append(...makeTable(data));
    else if (!count) this.output.append(el("p", { class: "soft" }, t.noData));
    else this.plot(data.result, window);
    const samples = data.stats?.samples ?? {};
    const shown = (value) => (value ?? 0).toLocaleString("en");
    this.stats.textContent = [
      data.resultType === "scalar" || data.resultType === "string" ? data.resultType : `${shown(count)} ${t.series}`,
      `${Math.round(took)} ms`,
      this.state.tab === "graph" ? `${t.step} ${duration(window.step)}` : "",
      data.stats ? `${counted(samples.totalQueryableSamples ?? 0, t.samplesRead)}, ${t.peak} ${shown(samples.peakSamples)}` : "",
      this.state.tab === "graph" && count ? t.zoomHint : "",
    ].filter(Boolean).join(" · ");
  }

  plot(result, window) {
    this.graph = new Graph(this.output, {
      result,
      ...window,
      stack: this.state.display_mode === "stacked",
      local: recall("local", false),
      onZoom: (from, to) => {
        this.before.push([this.state.range_input, this.state.end_input]);
        this.change({ range_input: duration(Math.max(1, to - from)), end_input: formatTime(to) });
      },
      onBack: () => {
        const last = this.before.pop();
        if (last) this.change({ range_input: last[0], end_input: last[1] });
      },
    });
  }

  close() {
    this.asking?.abort();
    this.clear();
    this.editor.destroy();
    this.element.remove();
  }
}
