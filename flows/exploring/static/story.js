// One sample: its picture, what it may be told to be, its facts, its neighbours, its story.

import { byId, make, plural } from "./elements.js";
import { shot } from "./gallery.js";
import { image } from "./server.js";

const KEYS = 9;
const share = (value) => (value === null || value === undefined ? "" : value > 0 && value < 0.005 ? "< 1 %" : `${Math.round(100 * value)} %`);
const number = (value) => (value === null || value === undefined ? null : String(Number(value.toPrecision(3))));

/** The classes that the keys 1 to 9 stand for: the most probable ones of the sample, then the most frequent ones. */
export function keyed(facts, classes) {
  return [...new Set([...facts.classes, ...(facts.given_label ? [facts.given_label] : []), ...classes])].slice(0, KEYS);
}

/** Tell a correction in words. */
export function told(each) {
  const kinds = { label: "is", wrong_label: "is not", keep: "keep", drop: "drop", wrong_cluster: "wrong cluster", not_a_duplicate: "no duplicate of" };
  const of = each.value ?? (each.other_sample_id ? each.other_sample_id.slice(0, 8) : "");
  return [kinds[each.kind] ?? each.kind, of, each.why ? `(${each.why})` : ""].filter(Boolean).join(" ");
}

/** Draw the story; `on`: say(kind, value, other), undo(), choose(row), seek(); `words(row)`: what is below a picture. */
export function drawStory(facts, classes, on, words) {
  const place = byId("story");
  const picture = make("img", { className: "large", src: image(facts.row, 640), alt: facts.label ? `a picture, labelled ${facts.label}` : "a picture without a label" });
  picture.addEventListener("load", () => picture.classList.toggle("tiny", picture.naturalWidth <= 64));
  picture.addEventListener("error", () => picture.replaceWith(make("p", { className: "gone" }, "Its picture cannot be read any more.")));
  const parts = [
    picture,
    make("h2", {}, facts.key ?? facts.sample_id),
    verdict(facts),
    said(facts),
    labels(facts, classes, on),
    hands(facts, on),
    strip("Neighbours", facts.neighbors, on, words, null),
    alike(on),
    strip("Near-duplicates", facts.twins, on, words, (row) => on.say("not_a_duplicate", null, row)),
    list(facts),
    make("details", { open: false }, make("summary", {}, "Its whole story"), make("pre", {}, facts.story)),
  ];
  place.replaceChildren(...parts.filter((part) => part !== null));
  place.dataset.row = facts.row;
}

function alike(on) {
  const button = make("button", { type: "button", className: "alike" }, "All samples, most like this one first ", make("kbd", {}, "l"));
  button.addEventListener("click", on.seek);
  return button;
}

function verdict(facts) {
  const outcome = facts.selected ? `selected${facts.split ? ` for ${facts.split}` : ""}` : facts.dropped_by ? `dropped: ${facts.dropped_by.replaceAll("_", " ")}` : facts.rank ? "ranked, not selected" : "not ranked";
  const label = facts.label ? `${facts.label}, ${share(facts.confidence)}` : "no label";
  const doubt = facts.is_doubtful ? `; given as ${facts.given_label}, which is doubtful` : facts.given_label ? `; given as ${facts.given_label}` : "";
  return make("p", { className: "verdict" }, make("strong", {}, label), `${doubt} · ${outcome}`);
}

function said(facts) {
  if (!facts.corrections.length) return null;
  return make("ul", { className: "said" }, ...facts.corrections.map((each) => make("li", {}, `${each.who}: ${told(each)}`)));
}

function labels(facts, classes, on) {
  const probable = new Map(facts.classes.map((name, n) => [name, facts.probabilities[n]]));
  const mine = facts.corrections.filter((each) => each.kind === "label").at(-1)?.value;
  const buttons = keyed(facts, classes).map((name, n) => {
    const button = make(
      "button", { type: "button", className: "class", "aria-pressed": String(mine === name), title: name },
      make("kbd", {}, String(n + 1)), make("span", { className: "text" }, name), make("small", {}, share(probable.get(name))),
    );
    button.addEventListener("click", () => on.say("label", name));
    return button;
  });
  const any = make("input", { id: "any-class", placeholder: "another class", autocomplete: "off", "aria-label": "Another class" });
  any.setAttribute("list", "class-names");
  const form = make("form", { className: "any" }, any, make("datalist", { id: "class-names" }, ...classes.map((name) => make("option", { value: name }))), make("button", {}, "Say so"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (any.value.trim()) on.say("label", any.value.trim());
  });
  return make("fieldset", { className: "classes" }, make("legend", {}, "It is"), ...buttons, form);
}

function hands(facts, on) {
  const label = facts.label ?? facts.given_label;
  const why = make("input", { id: "why", placeholder: "why (may be empty)", "aria-label": "Why" });
  const kinds = [["p", "Keep", "keep", null], ["x", "Drop", "drop", null], ["w", "Wrong label", "wrong_label", label], ["e", "Wrong cluster", "wrong_cluster", null]];
  const buttons = kinds.map(([key, text, kind, value]) => {
    const button = make("button", { type: "button", disabled: kind === "wrong_label" && !label, "data-kind": kind }, make("kbd", {}, key), text);
    button.addEventListener("click", () => on.say(kind, value));
    return button;
  });
  const undo = make("button", { type: "button", id: "undo" }, make("kbd", {}, "u"), "Undo");
  undo.addEventListener("click", on.undo);
  return make("div", { className: "hands" }, ...buttons, undo, why);
}

function strip(title, pairs, on, words, apart) {
  if (!pairs.length) return null;
  const shots = pairs.map(([row, like]) => {
    const one = shot(row, [words(row), number(like)].filter(Boolean).join(" · "), on.choose);
    if (!apart) return one;
    const not = make("button", { type: "button", className: "apart" }, "no duplicate");
    not.addEventListener("click", () => apart(row));
    return make("div", {}, one, not);
  });
  return make("div", { className: "beside" }, make("h3", {}, `${title}: ${plural(pairs.length, "sample")}, most alike first`), make("div", { className: "row" }, ...shots));
}

function list(facts) {
  const rows = {
    Id: facts.sample_id,
    Source: facts.source_uri,
    Shard: facts.shard,
    Picture: facts.width ? `${facts.format}, ${facts.width} × ${facts.height} pixels` : null,
    "Cluster path": facts.cluster_path ? `${facts.cluster_path.join(" < ")} (finest first)` : null,
    Rank: facts.rank,
    "Duplicate of": facts.duplicate_of,
    "Outlier score": number(facts.outlier_score),
    "Label quality": number(facts.label_quality),
    "Suggested label": facts.suggested_label,
    Belonging: number(facts.belonging),
    Licence: facts.license,
  };
  const told_rows = Object.entries(rows).filter(([, value]) => value !== null && value !== undefined);
  return make("dl", {}, ...told_rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
}
