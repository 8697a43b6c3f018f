// The explorer: what is shown, what is chosen, what is said; each part of the page draws itself of that.

import { NOTHING, paint, range } from "./colours.js";
import { byId, count, make, plural } from "./elements.js";
import { Filters, nameLabels } from "./filters.js";
import { firstRows, Gallery } from "./gallery.js";
import { PointMap } from "./map.js";
import { correct, json, numbers } from "./server.js";
import { drawStory, keyed } from "./story.js";

const LIKENESS = ["likeness", "most alike first", true];
const ORDERS = [["", "as on the map", false], ["quality", "doubtful labels first", false], ["confidence", "least confident first", false], ["outlier", "outliers first", true], ["rank", "by rank", false], ["belonging", "least like labels first", false], LIKENESS];
const TYPING = "textarea, select, input:not([type=checkbox])";

const state = { columns: new Map(), colour: "", row: -1, facts: null, corrected: new Map(), done: [], sides: false };
let pool, map, filters, gallery, asking = null;

async function begin() {
  map = new PointMap(byId("points"), byId("over"), { choose, draw: drawn });
  byId("no-webgl").hidden = Boolean(map.gl);
  const places = numbers("places/near", Float32Array).then(({ values }) => {
    map.place(values);
    requestAnimationFrame(() => requestAnimationFrame(() => {
      document.documentElement.dataset.drawn = String(Math.round(performance.now()));
    }));
  });
  pool = await json("pool.json");
  await places;
  byId("name").textContent = pool.name;
  byId("withdrawn").hidden = !pool.withdrawn;
  byId("withdrawn").textContent = pool.withdrawn ?? "";
  document.title = `${pool.name}: Windrow explorer`;
  filters = new Filters(pool.n_samples, refresh);
  gallery = new Gallery(words, choose);
  fillSelects();
  takeCorrections(await json("corrections"));
  const names = pool.columns.filter((each) => each.kind === "names");
  for (const each of names) state.columns.set(each.name, null); // in their order, whichever comes first
  await Promise.all(names.map((each) => column(each.name)));
  state.colour = byId("colour").value;
  await refresh();
  document.documentElement.dataset.ready = "true";
}

function fillSelects() {
  const options = [...pool.columns.map(({ name, title }) => [name, title]), ["shown", "What is shown"], ["corrections", "Corrections"]];
  byId("colour").replaceChildren(...options.map(([value, title]) => make("option", { value }, title)));
  const there = new Set(pool.columns.map(({ name }) => name));
  byId("order").replaceChildren(...ORDERS.filter(([name]) => !name || there.has(name)).map(([value, title]) => make("option", { value }, title)));
  byId("compare").hidden = pool.versions.length < 2;
  byId("text").hidden = byId("seek-text").hidden = !pool.texts;
  for (const [id, at] of [["old", -2], ["new", -1]]) {
    byId(id).replaceChildren(...pool.versions.map((value) => make("option", { value, selected: value === pool.versions.at(at) }, value)));
  }
}

/** A column, fetched when it is first asked for. */
async function column(name) {
  if (state.columns.get(name)) return state.columns.get(name);
  const known = pool.columns.find((each) => each.name === name);
  if (!known) return null;
  const found = await numbers(`column/${name}`, known.kind === "names" ? Uint16Array : Float32Array);
  const made = known.kind === "names"
    ? { ...known, names: found.names, codes: found.values, turns: name === "cluster" }
    : { ...known, values: found.values, range: range(found.values) };
  state.columns.set(name, made);
  return made;
}

/** What was said of samples, as a column. */
function correctionColumn() {
  const names = [...new Set([...state.corrected.values()].flat().map((each) => each.kind))].sort();
  const codes = new Uint16Array(pool.n_samples).fill(NOTHING);
  for (const [row, said] of state.corrected) codes[row] = names.indexOf(said.at(-1).kind);
  return { name: "corrections", title: "Corrections", names: names.map((name) => name.replaceAll("_", " ")), codes };
}

function takeCorrections(said) {
  state.corrected.clear();
  for (const each of said) state.corrected.set(each.row, [...(state.corrected.get(each.row) ?? []), each]);
  tellCorrections();
}

function tellCorrections() {
  const said = [...state.corrected.values()].flat();
  const n_new = said.filter((each) => !each.taken).length;
  const next = n_new === 0 ? ", taken by this run" : n_new === said.length ? `: the next run takes ${n_new === 1 ? "it" : "them"}` : `: the next run takes ${count(n_new)} more`;
  byId("corrected").textContent = said.length ? plural(said.length, "correction") + next : "no corrections yet";
}

const codeName = (name, row) => {
  const found = state.columns.get(name);
  return found && found.codes[row] !== NOTHING ? found.names[found.codes[row]] : "";
};

function words(row) {
  const mine = state.corrected.get(row)?.filter((each) => each.kind === "label").at(-1);
  return mine?.value ?? (codeName("class", row) || codeName("given", row));
}

async function refresh() {
  const mask = filters.mask(state.columns);
  state.mask = mask;
  const n_all = mask === null ? pool.n_samples : mask.reduce((sum, each) => sum + each, 0);
  byId("shown").textContent = mask === null ? plural(pool.n_samples, "sample") : `${count(n_all)} of ${plural(pool.n_samples, "sample")}`;
  await recolour();
  await reorder(n_all);
}

async function recolour() {
  const name = state.colour;
  const shown = name === "corrections" ? correctionColumn() : await column(name);
  if (name !== state.colour) return; // another was chosen meanwhile
  map.colour(paint(pool.n_samples, shown, state.mask));
  map.label(nameLabels(shown, map.xy));
  byId("scale").hidden = !shown?.values;
  if (shown?.values) [byId("low").textContent, byId("high").textContent] = shown.range.map((each) => String(Number(each.toPrecision(3))));
  filters.draw(state.columns, name);
}

async function reorder(n_all) {
  const [name, , down] = ORDERS.find(([each]) => each === byId("order").value);
  const values = name ? (await column(name)).values : null;
  const rows = firstRows(pool.n_samples, state.mask, values, down);
  gallery.show(rows, n_all, state.sides ? sides(values, down) : null);
  gallery.mark(state.row, state.corrected);
}

/** What came and what went between two versions, of what is shown. */
function sides(values, down) {
  const change = state.columns.get("change");
  return change.names.map((title, code) => {
    const mask = change.codes.map((each, row) => (each === code && (state.mask === null || state.mask[row]) ? 1 : 0));
    return [title, firstRows(pool.n_samples, mask, values, down)];
  });
}

async function choose(row) {
  if (row < 0) return;
  state.row = row;
  map.choose(row, []);
  gallery.mark(row, state.corrected);
  const facts = await json(`sample/${row}`);
  if (state.row !== row) return; // another was chosen meanwhile
  tellOf(facts);
  byId("story").scrollTop = 0;
  show("story");
}

function tellOf(facts) {
  state.facts = facts;
  map.choose(facts.row, facts.neighbors.map(([row]) => row));
  drawStory(facts, pool.classes, { say, undo, choose, seek: seekLike }, words);
}

/** Say something of the chosen sample. */
async function say(kind, value = null, other = null) {
  const { row } = state;
  if (row < 0 || state.facts?.row !== row) return;
  const why = byId("why").value.trim() || null;
  if (await send({ row, kind, value, other, why })) state.done.push({ row, kind });
}

async function undo() {
  const last = state.done.at(-1) ?? lastOf(state.row);
  if (!last) return;
  if (await send({ row: last.row, kind: "undo", value: last.kind })) {
    state.done.pop();
    if (last.row !== state.row) await choose(last.row);
  }
}

function lastOf(row) {
  const mine = (state.corrected.get(row) ?? []).filter((each) => each.who === pool.who).at(-1);
  return mine ? { row, kind: mine.kind } : null;
}

async function send(said) {
  try {
    const standing = await correct(said);
    if (standing.length) state.corrected.set(said.row, standing);
    else state.corrected.delete(said.row);
    tellCorrections();
    if (state.row === said.row) tellOf({ ...state.facts, corrections: standing });
    gallery.mark(state.row, state.corrected);
    for (const each of document.querySelectorAll(`#shots .shot[data-row="${said.row}"] .text`)) each.textContent = words(said.row) || "no label";
    if (state.colour === "corrections") await recolour();
    return true;
  } catch (error) {
    alertWith(error);
    return false;
  }
}

function alertWith(error) {
  byId("corrected").textContent = `not taken: ${error.message}`;
}

function drawn(mask) {
  filters.drawn = mask.includes(1) ? mask : null;
  refresh();
}

function show(tab) {
  document.body.dataset.tab = tab;
  for (const each of document.querySelectorAll("#tabs button")) each.setAttribute("aria-current", String(each.dataset.to === tab));
}

async function ask(event) {
  event.preventDefault();
  stopAsking();
  const sql = byId("sql").value.trim();
  let found = null;
  if (sql) {
    const mine = asking = new AbortController();
    byId("asked").textContent = "asking …";
    byId("asked").className = "busy";
    byId("stop").hidden = false;
    let told = "";
    try {
      const { values } = await numbers(`matching?sql=${encodeURIComponent(sql)}`, Uint32Array, { signal: mine.signal });
      found = new Uint8Array(pool.n_samples);
      for (const row of values) found[row] = 1;
    } catch (error) {
      told = error.message;
    }
    if (mine !== asking) return; // stopped, or something else is asked
    stopAsking();
    byId("asked").textContent = told;
    if (told) return;
  }
  filters.asked = found;
  await refresh();
}

/** The server ends a question that nobody waits for. */
function stopAsking() {
  asking?.abort();
  asking = null;
  byId("stop").hidden = true;
  byId("asked").textContent = byId("asked").className = "";
}

/** Order and colour the samples by how like they are to what is at an address; `what` says so in words. */
async function seek(address, what, sent = null) {
  byId("sought").textContent = "looking …";
  let values;
  try {
    ({ values } = await numbers(address, Float32Array, sent ? { method: "POST", body: sent } : {}));
  } catch (error) {
    byId("sought").textContent = error.message;
    return;
  }
  state.columns.set("likeness", { name: "likeness", title: "Likeness", kind: "numbers", values, range: range(values) });
  if (!pool.columns.some(({ name }) => name === "likeness")) {
    pool.columns.push({ name: "likeness", title: "Likeness", kind: "numbers" });
    byId("colour").append(make("option", { value: "likeness" }, "Likeness"));
    byId("order").append(make("option", { value: "likeness" }, LIKENESS[1]));
  }
  byId("colour").value = state.colour = byId("order").value = "likeness";
  byId("sought").textContent = `the samples most like ${what} come first`;
  await refresh();
  if (window.innerWidth < 900) show("gallery");
}

function seekText(event) {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (text) seek(`like/text?text=${encodeURIComponent(text)}`, `“${text}”`);
}

function seekPicture() {
  const [file] = byId("picture").files;
  if (file) seek("like/picture", file.name, file);
  byId("picture").value = "";
}

const seekLike = () => state.facts && seek(`like/sample/${state.facts.row}`, state.facts.key ?? state.facts.sample_id);

async function compare(event) {
  event.preventDefault();
  const [old, now] = ["old", "new"].map((id) => byId(id).value);
  const found = await numbers(`change/${encodeURIComponent(old)}/${encodeURIComponent(now)}`, Uint16Array);
  state.columns.delete("change");
  state.columns = new Map([["change", { name: "change", title: `From ${old} to ${now}`, names: found.names, codes: found.values }], ...state.columns]);
  if (!pool.columns.some(({ name }) => name === "change")) {
    pool.columns.push({ name: "change", title: "Change", kind: "names" });
    byId("colour").append(make("option", { value: "change" }, "Change of versions"));
  }
  filters.chosen.set("change", new Set(found.names.keys()));
  if (!found.names.length) filters.chosen.delete("change");
  state.sides = found.names.length > 0;
  byId("asked").textContent = state.sides ? "" : `${old} and ${now} have the same samples and labels`;
  byId("colour").value = state.colour = "change";
  await refresh();
  if (window.innerWidth < 900) show("gallery");
}

function pressed(event) {
  if (event.target.matches?.(TYPING)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open || !gallery) return;
  const acts = {
    j: () => choose(gallery.step(state.row, 1)),
    k: () => choose(gallery.step(state.row, -1)),
    p: () => say("keep"),
    x: () => say("drop"),
    e: () => say("wrong_cluster"),
    w: () => state.facts && (state.facts.label ?? state.facts.given_label) && say("wrong_label", state.facts.label ?? state.facts.given_label),
    u: undo,
    l: seekLike,
    c: () => byId("any-class")?.focus(),
    "/": () => { show("filters"); byId("sql").focus(); },
    "?": () => byId("help").showModal(),
  };
  const named = /^[1-9]$/.test(event.key) && state.facts ? keyed(state.facts, pool.classes)[Number(event.key) - 1] : null;
  const act = named ? () => say("label", named) : acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function listen() {
  document.addEventListener("keydown", pressed);
  byId("ask").addEventListener("submit", ask);
  byId("sql").addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey) ask(event); });
  byId("stop").addEventListener("click", stopAsking);
  byId("compare").addEventListener("submit", (event) => compare(event).catch((error) => { byId("asked").textContent = error.message; }));
  byId("seek").addEventListener("submit", seekText);
  byId("picture").addEventListener("change", seekPicture);
  byId("clear").addEventListener("click", () => {
    stopAsking();
    byId("sql").value = "";
    state.sides = false;
    filters.clear();
  });
  byId("colour").addEventListener("change", () => { state.colour = byId("colour").value; recolour(); });
  byId("order").addEventListener("change", refresh);
  byId("plane").addEventListener("change", async () => {
    map.place((await numbers(`places/${byId("plane").value}`, Float32Array)).values);
    await recolour();
    if (state.facts) tellOf(state.facts);
  });
  byId("closer").addEventListener("click", () => map.closer(1.6));
  byId("farther").addEventListener("click", () => map.closer(1 / 1.6));
  byId("whole").addEventListener("click", () => map.whole());
  byId("lasso").addEventListener("click", () => {
    map.drawing = !map.drawing;
    byId("lasso").setAttribute("aria-pressed", String(map.drawing));
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    const file = [...clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) seek("like/picture", "the pasted picture", file);
  });
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  for (const each of document.querySelectorAll("#tabs button")) each.addEventListener("click", () => show(each.dataset.to));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => map.draw());
}

listen();
show("map");
begin().catch((error) => { byId("shown").textContent = `cannot be shown: ${error.message}`; });
