// The gallery: pictures of what is shown, in an order, the first few of them at once.

import { byId, count, make } from "./elements.js";
import { image } from "./server.js";

const AT_ONCE = 60;
export const MOST = 2000;

/** The first rows of those in `mask` (null: of all), in the order of `values`, largest first where `down`, those of no value last. */
export function firstRows(n, mask, values, down) {
  const rows = [];
  if (!values) {
    for (let row = 0; row < n && rows.length < MOST; row++) if (mask === null || mask[row]) rows.push(row);
    return Uint32Array.from(rows);
  }
  const keys = new Float32Array(n);
  let there = 0;
  for (let row = 0; row < n; row++) {
    if ((mask === null || mask[row]) && !Number.isNaN(values[row])) keys[there++] = down ? -values[row] : values[row];
  }
  const sorted = keys.subarray(0, there).sort();
  const last = sorted[Math.min(MOST, there) - 1];
  for (let row = 0; row < n; row++) {
    const key = down ? -values[row] : values[row];
    if ((mask === null || mask[row]) && key <= last) rows.push(row);
  }
  rows.sort((a, b) => (down ? values[b] - values[a] : values[a] - values[b]) || a - b);
  for (let row = 0; row < n && rows.length < MOST; row++) {
    if ((mask === null || mask[row]) && Number.isNaN(values[row])) rows.push(row);
  }
  return Uint32Array.from(rows.slice(0, MOST));
}

/** A picture that can be chosen; `words` are shown below it. */
export function shot(row, words, choose) {
  const picture = make("img", { src: image(row, 192), alt: "", loading: "lazy", decoding: "async", width: 96, height: 96 });
  picture.addEventListener("load", () => picture.classList.toggle("tiny", picture.naturalWidth <= 64));
  picture.addEventListener("error", () => picture.replaceWith(make("span", { className: "gone" }, "no picture")));
  const caption = make("span", { className: "text" }, words || "no label");
  const button = make("button", { type: "button", className: "shot", title: words || "no label", "data-row": row }, picture, caption);
  button.addEventListener("click", () => choose(row));
  return button;
}

export class Gallery {
  /** `words(row)`: what is below a picture. */
  constructor(words, choose) {
    this.words = words;
    this.choose = choose;
    this.rows = new Uint32Array();
    this.titles = null;
  }

  /** Show rows; `sides`: [[title, rows]] instead, for two versions side by side. */
  show(rows, n_all, sides = null) {
    this.rows = sides ? Uint32Array.from(sides.flatMap(([, each]) => [...each])) : rows;
    const place = byId("shots");
    place.classList.toggle("sides", Boolean(sides));
    byId("first").textContent = !sides && n_all > rows.length ? `the first ${count(rows.length)} of ${count(n_all)}` : "";
    place.replaceChildren(...(sides ?? [["", rows]]).map(([title, each]) => this.strip(title, each)));
    if (!this.rows.length) place.replaceChildren(make("p", { className: "nothing" }, "Nothing fits these filters."));
    place.scrollTop = 0;
  }

  strip(title, rows) {
    const n = rows.length < MOST ? count(rows.length) : `${count(MOST)} or more`;
    const grid = make("div", { className: "grid" });
    const more = make("button", { type: "button", className: "more" });
    const add = () => {
      const from = grid.childElementCount;
      grid.append(...[...rows.subarray(from, from + AT_ONCE)].map((row) => shot(row, this.words(row), this.choose)));
      more.hidden = grid.childElementCount >= rows.length;
      more.textContent = `${count(Math.max(0, Math.min(AT_ONCE, rows.length - grid.childElementCount)))} more`;
    };
    more.addEventListener("click", add);
    add();
    return make("div", { className: "strip" }, title ? make("h3", {}, `${title}: ${n}`) : null, grid, more);
  }

  mark(row, corrected) {
    for (const each of document.querySelectorAll("#shots .shot")) {
      const is = Number(each.dataset.row) === row;
      each.classList.toggle("chosen", is);
      each.classList.toggle("corrected", corrected.has(Number(each.dataset.row)));
      if (is) each.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  /** The row that is some steps after another; the first where that is not in the gallery. */
  step(row, by) {
    const at = this.rows.indexOf(row);
    if (!this.rows.length) return -1;
    return at < 0 ? this.rows[0] : this.rows[Math.min(Math.max(at + by, 0), this.rows.length - 1)];
  }
}
