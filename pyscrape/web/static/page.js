// What every page has: the theme switch, forms that apply as one types, parts that update by themselves, copy buttons.
// Pages work without it. New content is the server's own HTML of the same page, escaped there.
const root = document.documentElement;

function switchTheme() {
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("pyscrape.theme", root.dataset.theme);
  } catch {
    // The choice lasts as long as the page.
  }
  dispatchEvent(new Event("themechange"));
}
for (const one of document.querySelectorAll("#choose-stage, #choose-job, #choose-target")) {
  one.addEventListener("change", () => {
    if (one.id !== "choose-target") document.getElementById("choose-target").value = "";
    one.form.submit();
  });
}
document.getElementById("theme").addEventListener("click", switchTheme);

const live = document.getElementById("live");
let asked = 0;

// Folded and unfolded parts stay as the reader left them; so does what has the focus.
function replaceLive(fresh) {
  const open = new Map([...live.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  live.replaceChildren(...fresh.childNodes);
  for (const one of live.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = open.get(one.id);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function refresh(url = location.href, options = {}) {
  const mine = ++asked;
  const state = document.getElementById("freshness");
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, ...options });
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asked) return;
    const fresh = page.getElementById("live");
    if (fresh) replaceLive(fresh);
    document.getElementById("notifications").replaceChildren(...page.getElementById("notifications").childNodes);
    if (state) state.textContent = "";
  } catch (error) {
    if (mine === asked && state) state.textContent = `${state.dataset.failed}: ${error.message}`;
  }
}

if (live) {
  const every = Number(live.dataset.everyMs || 0);
  const pause = document.getElementById("pause");
  let paused = false;
  pause?.removeAttribute("hidden");
  pause?.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) refresh();
  });
  const selecting = () => !getSelection().isCollapsed && live.contains(getSelection().anchorNode);
  if (every) setInterval(() => paused || document.hidden || selecting() || refresh(), every);

  let timer = 0;
  const form = document.querySelector("form[data-live]");
  const apply = () => {
    const entered = new FormData(form);
    if (form.method === "post") return refresh(form.action, { method: "POST", body: new URLSearchParams(entered) });
    const kept = [...entered].filter(([, value]) => value);
    const url = `${form.action.split("?")[0]}?${new URLSearchParams(kept)}`;
    history.replaceState(null, "", url);
    return refresh(url);
  };
  form?.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(apply, 250);
  });
  form?.addEventListener("submit", (event) => {
    if (event.submitter?.name) return;
    event.preventDefault();
    clearTimeout(timer);
    apply();
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy).cloneNode(true);
  for (const remark of source.querySelectorAll("[data-uncopied]")) remark.remove();
  const blocks = [...source.querySelectorAll("pre")];
  const text = blocks.length ? blocks.map((one) => one.textContent).join("\n") : source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain HTTP has no clipboard: select the text, so that one key copies it.
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    return;
  }
  button.dataset.done = "";
  setTimeout(() => delete button.dataset.done, 1500);
});
