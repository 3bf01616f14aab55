// The query page: panels as the address has them, and the address as the panels are.
import "uplot/dist/uPlot.min.css";
import { el, recall, remember, t } from "./dom.js";
import { Panel } from "./panel.js";
import { DEFAULTS, readPanels, writePanels } from "./state.js";

const frame = document.getElementById("query");
const list = el("div", {});
let panels = [];

function commit() {
  const search = `?${writePanels(panels.map((panel) => panel.state))}`;
  if (search !== location.search) history.pushState(null, "", search);
}

function add(state) {
  const panel = new Panel(state, { onCommit: commit, onRemove: remove });
  panels.push(panel);
  list.append(panel.element);
  return panel;
}

function remove(panel) {
  panel.close();
  panels = panels.filter((one) => one !== panel);
  if (!panels.length) add({ ...DEFAULTS });
  commit();
}

function load() {
  for (const panel of panels) panel.close();
  panels = [];
  for (const state of readPanels(location.search)) add(state).execute();
}

const local = el("input", {
  type: "checkbox",
  checked: recall("local", false),
  onchange: (event) => {
    remember("local", event.target.checked);
    for (const panel of panels) {
      panel.showControls();
      panel.execute();
    }
  },
});
document.getElementById("query-tools").append(el("label", { class: "small soft" }, local, t.localTime));
frame.append(list, el("button", { type: "button", onclick: () => add({ ...DEFAULTS }).editor.focus() }, t.addPanel));
addEventListener("popstate", load);
load();
if (!panels[0].state.expr) panels[0].editor.focus();
