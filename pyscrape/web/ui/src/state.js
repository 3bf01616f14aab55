// What the address holds: g0.expr=... and its companions, in Prometheus' names, for any number of panels.

export const DEFAULTS = {
  expr: "",
  tab: "graph",
  range_input: "1h",
  end_input: "",
  moment_input: "",
  step_input: "",
  display_mode: "lines",
  plan_of: "range",
};

// Prometheus' names; its own tab of explanations leads to the plan.
const TABS = { 0: "graph", 1: "table", graph: "graph", table: "table", explain: "explain" };

/** The panels that a query string asks for; one empty panel where it asks for none. */
export function readPanels(search) {
  const panels = [];
  for (const [key, value] of new URLSearchParams(search)) {
    const found = /^g(\d{1,3})\.(\w+)$/.exec(key);
    if (!found) continue;
    const panel = (panels[Number(found[1])] ??= { ...DEFAULTS });
    if (found[2] === "tab") panel.tab = TABS[value] ?? "graph";
    else if (found[2] === "stacked") panel.display_mode = value === "1" ? "stacked" : "lines";
    else if (found[2] in DEFAULTS) panel[found[2]] = value;
  }
  const asked = panels.filter(Boolean);
  return asked.length ? asked : [{ ...DEFAULTS }];
}

/** The query string of panels; what is at its default is left out. */
export function writePanels(panels) {
  const params = new URLSearchParams();
  panels.forEach((panel, index) => {
    params.set(`g${index}.expr`, panel.expr);
    params.set(`g${index}.tab`, panel.tab);
    for (const [name, value] of Object.entries(DEFAULTS)) {
      if (!["expr", "tab"].includes(name) && (panel[name] !== value || name === "range_input"))
        params.set(`g${index}.${name}`, panel[name]);
    }
  });
  return params.toString();
}

const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

/** "1h30m" -> 5400 seconds, NaN where it is no duration. */
export function seconds(text) {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  if (!/^(\d+(ms|[smhdwy]))+$/.test(text)) return NaN;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhdwy])/g)) sum += count * UNITS[unit];
  return sum;
}

/** 5400 -> "1h30m" */
export function duration(total) {
  let left = Math.round(total);
  let text = "";
  for (const unit of ["d", "h", "m", "s"]) {
    const count = Math.floor(left / UNITS[unit]);
    if (count) text += count + unit;
    left -= count * UNITS[unit];
  }
  return text || "0s";
}

/** "2026-01-02 03:04:05" (UTC) -> unix seconds; NaN where it is no time. */
export const parseTime = (text) => Date.parse(text.trim().replace(" ", "T").replace(/Z?$/, "Z")) / 1000;
export const formatTime = (at, local = false) => {
  const moment = new Date(at * 1000);
  if (!local) return moment.toISOString().slice(0, 19).replace("T", " ");
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace("T", " ");
};
