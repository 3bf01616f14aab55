// Elements are made here, with texts as texts: nothing that a server or a label says is ever read as HTML.

/** el("button", {class: "main", onclick: run}, "Run") */
export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "disabled" || key === "checked") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const frame = document.getElementById("query");
export const prefix = frame.dataset.prefix;
export const nonce = frame.dataset.nonce;
export const t = JSON.parse(document.getElementById("texts").textContent);

/** Whether the page is dark now: by the reader's choice, else by the system's. */
export const system = matchMedia("(prefers-color-scheme: dark)");
export const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

/** "the first {n} of {all}" with values */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/** 1, "sample|samples" -> "1 sample" */
export const counted = (count, forms) => `${count.toLocaleString("en")} ${forms.split("|")[count === 1 ? 0 : 1]}`;

const settings = "pyscrape.query.";
export function remember(name, value) {
  try {
    localStorage.setItem(settings + name, JSON.stringify(value));
  } catch {
    // Without storage a choice lasts as long as the page.
  }
}
export function recall(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(settings + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}
