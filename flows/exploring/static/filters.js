// Which samples are shown: those of the chosen names in every column, of a question in SQL, and of a line drawn around them on the map.

import { N_NAMED, NOTHING, nameColour } from "./colours.js";
import { byId, count, make } from "./elements.js";

const SHOWN_NAMES = 12;

export class Filters {
  constructor(n, changed) {
    this.n = n;
    this.changed = changed;
    this.chosen = new Map(); // column -> Set of codes
    this.asked = null; // mask of a question
    this.drawn = null; // mask of a line drawn on the map
    this.open = new Set(["class", "outcome", "change"]);
    this.all = new Set(); // columns whose every name is shown
  }

  get active() {
    return this.chosen.size > 0 || this.asked !== null || this.drawn !== null;
  }

  /** 1 for each sample that is shown, null when all are. `columns`: by name. `but`: a column that does not count. */
  mask(columns, but = null) {
    const wanted = [...this.chosen].filter(([name]) => name !== but);
    const masks = [this.asked, this.drawn].filter((mask) => mask !== null);
    if (!wanted.length && !masks.length) return null;
    const found = new Uint8Array(this.n).fill(1);
    for (const mask of masks) for (let row = 0; row < this.n; row++) found[row] &= mask[row];
    for (const [name, codes] of wanted) {
      const column = columns.get(name);
      const allowed = new Uint8Array(NOTHING + 1);
      for (const code of codes) allowed[code] = 1;
      for (let row = 0; row < this.n; row++) found[row] &= allowed[column.codes[row]];
    }
    return found;
  }

  toggle(name, code) {
    const codes = this.chosen.get(name) ?? new Set();
    if (!codes.delete(code)) codes.add(code);
    if (codes.size) this.chosen.set(name, codes);
    else this.chosen.delete(name);
    this.changed();
  }

  clear() {
    this.chosen.clear();
    this.asked = this.drawn = null;
    this.changed();
  }

  /** Draw the facets: a list of names with counts for every column of names; `coloured` has swatches. */
  draw(columns, coloured) {
    const place = byId("facets");
    const focus = document.activeElement?.dataset?.facet;
    place.replaceChildren(...[...columns.values()].filter((each) => each.codes).map((each) => this.facet(each, columns, coloured)));
    if (focus) place.querySelector(`[data-facet="${CSS.escape(focus)}"]`)?.focus();
  }

  facet(column, columns, coloured) {
    const mask = this.mask(columns, column.name);
    const counts = new Uint32Array(column.names.length + 1);
    const last = column.names.length; // of nothing
    for (let row = 0; row < this.n; row++) {
      if (mask === null || mask[row]) counts[Math.min(column.codes[row], last)] += 1;
    }
    const codes = [...column.names.keys()];
    const few = this.all.has(column.name) ? codes : codes.slice(0, SHOWN_NAMES);
    const chosen = this.chosen.get(column.name);
    for (const code of chosen ?? []) if (code !== NOTHING && !few.includes(code)) few.push(code);
    const rows = few.map((code) => this.row(column, code, counts[code], chosen, coloured));
    if (column.codes.includes(NOTHING)) rows.push(this.row(column, NOTHING, counts[last], chosen, coloured));
    const more = codes.length - few.length;
    if (more > 0) {
      const all = make("button", { type: "button", className: "more" }, `${count(more)} more`);
      all.addEventListener("click", () => {
        this.all.add(column.name);
        this.draw(columns, coloured);
      });
      rows.push(all);
    }
    const details = make("details", { open: this.open.has(column.name) || Boolean(chosen) }, make("summary", {}, column.title), ...rows);
    details.addEventListener("toggle", () => this.open[details.open ? "add" : "delete"](column.name));
    return details;
  }

  row(column, code, n, chosen, coloured) {
    const box = make("input", { type: "checkbox", checked: Boolean(chosen?.has(code)), "data-facet": `${column.name}:${code}` });
    box.addEventListener("change", () => this.toggle(column.name, code));
    const swatch = make("i", { className: "swatch" });
    if (coloured === column.name) swatch.style.background = nameColour(code, column.turns);
    const name = code === NOTHING ? make("em", {}, "none") : make("span", { className: "text", title: column.names[code] }, column.names[code]);
    return make("label", { className: "name" }, box, coloured === column.name ? swatch : null, name, make("b", {}, count(n)));
  }
}

/** Where the names of a column are to stand: the median place of each of its first names. */
export function nameLabels(column, xy) {
  if (!["class", "given"].includes(column?.name)) return [];
  const n = column.codes.length;
  const step = Math.max(1, Math.floor(n / 50000));
  const found = column.names.slice(0, N_NAMED).map(() => [[], []]);
  for (let row = 0; row < n; row += step) {
    const sides = found[column.codes[row]];
    if (sides) {
      sides[0].push(xy[2 * row]);
      sides[1].push(xy[2 * row + 1]);
    }
  }
  const middle = (side) => side.sort((a, b) => a - b)[Math.floor(side.length / 2)];
  return found.flatMap(([xs, ys], code) => {
    const name = column.names[code];
    return xs.length ? [{ name: name.length > 22 ? `${name.slice(0, 21)}…` : name, x: middle(xs), y: middle(ys) }] : [];
  });
}
