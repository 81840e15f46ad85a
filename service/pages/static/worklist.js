// Filters, order, keys and refresh of the worklist. Without it the list is whole and readable.
"use strict";

const place = () => document.getElementById("live");
const lists = () => document.querySelectorAll(".hw-list");
const rows = () => [...document.querySelectorAll(".hw-row")];
const wanted = { find: "", sort: "rank", act: false };
const ORDERS = {
  rank: (a, b) => a.dataset.rank - b.dataset.rank,
  chance: (a, b) => b.dataset.chance - a.dataset.chance,
  nights: (a, b) => b.dataset.nights - a.dataset.nights,
  bed: (a, b) => a.dataset.bed.localeCompare(b.dataset.bed, "en-GB", { numeric: true }),
};

function narrow() {
  const words = wanted.find.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows()) {
    const fits = words.every((word) => row.dataset.find.includes(word));
    row.hidden = !fits || (wanted.act && row.dataset.act === "0");
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("count").textContent = `${shown} patients shown`;
}

function order() {
  for (const list of lists()) {
    list.append(...[...list.children].sort(ORDERS[wanted.sort]));
  }
}

function prepare() {
  for (const part of document.querySelectorAll(".hw-scripted")) part.hidden = false;
  document.getElementById("show").hidden = true; // choosing is enough
  const [find, sort, act] = ["find", "sort", "act"].map((id) => document.getElementById(id));
  find.value = wanted.find;
  sort.value = wanted.sort;
  act.checked = wanted.act;
  find.addEventListener("input", () => { wanted.find = find.value; narrow(); });
  sort.addEventListener("change", () => { wanted.sort = sort.value; order(); });
  act.addEventListener("change", () => { wanted.act = act.checked; narrow(); });
  for (const id of ["site", "ward"]) {
    const box = document.getElementById(id);
    box.addEventListener("change", () => box.form.submit());
  }
}

function move(step) {
  const open = rows().filter((row) => !row.hidden);
  if (!open.length) return;
  const at = open.indexOf(document.activeElement.closest(".hw-row"));
  const next = at < 0 ? (step > 0 ? 0 : open.length - 1) : at + step;
  open[Math.min(Math.max(next, 0), open.length - 1)].focus();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") { event.preventDefault(); document.getElementById("find").focus(); }
  if (event.key === "j") move(1);
  if (event.key === "k") move(-1);
  if (event.key === "Enter" && event.target.matches(".hw-row")) event.target.querySelector(".hw-open").click();
}

let since = new Date();

function trouble(text) {
  const said = document.getElementById("trouble");
  said.textContent = text;
  said.hidden = !text;
}

async function refresh() {
  if (document.hidden || document.activeElement.closest(".hw-filters")) return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    if (!answer.ok || answer.redirected) throw new Error("no list");
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (!fresh) throw new Error("no list");
    const focused = document.activeElement.closest(".hw-row")?.dataset.find;
    place().replaceWith(fresh);
    since = new Date();
    prepare();
    order();
    narrow();
    if (focused) rows().find((row) => row.dataset.find === focused)?.focus();
  } catch {
    const time = since.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    trouble(`This list is from ${time} and could not be refreshed. Do not rely on it.`);
  }
}

prepare();
document.addEventListener("keydown", pressed);
setInterval(refresh, 1000 * Number(place().dataset.refreshSeconds));
document.addEventListener("visibilitychange", refresh);
