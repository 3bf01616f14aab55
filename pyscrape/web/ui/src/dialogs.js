// Two lists to choose an expression from: the metrics that the server knows, and what was asked before.
import { read, shown } from "./api.js";
import { el, fill, recall, remember, t } from "./dom.js";

const MOST_SHOWN = 200;
const MOST_REMEMBERED = 100;

export function note(expr) {
  if (expr.trim()) remember("history", [expr, ...recall("history", []).filter((one) => one !== expr)].slice(0, MOST_REMEMBERED));
}

/** A dialog with a filter over `entries` ({text, kind, detail}); `take` gets the chosen text. */
function choose(title, hint, entries, empty, take) {
  const list = el("ul", { class: "choices" });
  const count = el("p", { class: "soft small", role: "status" });
  const field = el("input", { type: "search", "aria-label": hint, placeholder: hint, autofocus: true, hidden: !entries.length });
  const dialog = el(
    "dialog",
    { class: "chooser", "aria-label": title },
    el("div", { class: "head" }, el("h2", {}, title), el("button", { type: "button", class: "plain push", onclick: () => dialog.close() }, t.close)),
    field,
    count,
    list,
  );
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = entries.filter(({ text, detail }) => words.every((word) => `${text} ${detail}`.toLowerCase().includes(word)));
    list.replaceChildren(
      ...found.slice(0, MOST_SHOWN).map(({ text, kind, detail }) =>
        el(
          "li",
          {},
          el(
            "button",
            { type: "button", class: "plain", onclick: () => (dialog.close(), take(text)) },
            el("code", {}, text),
            el("span", { class: "soft small kind" }, kind),
            el("span", { class: "soft small" }, detail),
          ),
        ),
      ),
    );
    count.textContent = !entries.length ? empty : found.length > MOST_SHOWN ? fill(t.showing, { n: MOST_SHOWN, all: found.length }) : "";
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => event.key === "Enter" && list.querySelector("button")?.click());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  show();
  dialog.showModal();
}

export async function chooseMetric(take) {
  const [names, described] = await Promise.all([read("label/__name__/values"), read("metadata?limit_per_metric=1")]);
  const entry = (text) => {
    const [known] = described[text] ?? described[text.replace(/_(bucket|sum|count|total)$/, "")] ?? [];
    return { text, kind: known?.type ?? "", detail: shown(known?.help ?? "") };
  };
  choose(t.metricsTitle, t.filterMetrics, names.map(entry), t.noMetrics, take);
}

export function chooseBefore(take) {
  choose(t.history, t.filterHistory, recall("history", []).map((text) => ({ text, kind: "", detail: "" })), t.historyEmpty, take);
}
