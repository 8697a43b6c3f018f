// Colours that are told apart on white and on black; a column of names repeats none of them but for clusters.

const NAMED = [
  "#4c7fd9", "#e2803a", "#3fa164", "#cf5373", "#8f6ad0", "#b8902f",
  "#2fa3b3", "#d573b8", "#84973c", "#a8654a", "#5fb0ea", "#9a8fae",
];
const SCALE = ["#3b4cc0", "#3d8bb5", "#45b08c", "#a5c34e", "#f2c53d"];
export const NOTHING = 0xffff;
export const N_NAMED = NAMED.length;

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const NAMED_RGB = NAMED.map(rgb);
const SCALE_RGB = SCALE.map(rgb);
const OTHER = [128, 134, 144];

/** The CSS colour of a code; names beyond the first share one, and those of clusters take turns. */
export function nameColour(code, turns) {
  if (code === NOTHING || (!turns && code >= N_NAMED)) return "#808690";
  return NAMED[code % N_NAMED];
}

function nameRgb(code, turns) {
  return code === NOTHING || (!turns && code >= N_NAMED) ? OTHER : NAMED_RGB[code % N_NAMED];
}

function scaleRgb(share) {
  const at = Math.min(Math.max(share, 0), 1) * (SCALE_RGB.length - 1);
  const low = Math.min(Math.floor(at), SCALE_RGB.length - 2);
  return SCALE_RGB[low].map((each, n) => each + (SCALE_RGB[low + 1][n] - each) * (at - low));
}

const STEPS = Array.from({ length: 256 }, (_, n) => scaleRgb(n / 255));

/** Least and largest of what is most: without the hundredth at either end. */
export function range(values) {
  const step = Math.max(1, Math.floor(values.length / 20000));
  const there = [];
  for (let row = 0; row < values.length; row += step) if (!Number.isNaN(values[row])) there.push(values[row]);
  there.sort((a, b) => a - b);
  const at = (share) => there[Math.min(there.length - 1, Math.floor(share * there.length))] ?? 0;
  return [at(0.01), at(0.99)];
}

/** RGBA bytes of n points: those in `mask` in the colours of a column, the others nearly clear. */
export function paint(n, column, mask) {
  const colours = new Uint8Array(4 * n);
  const [low, high] = column?.range ?? [0, 1];
  const span = high - low || 1;
  for (let row = 0; row < n; row++) {
    let colour = OTHER;
    if (column?.codes) colour = nameRgb(column.codes[row], column.turns);
    else if (column?.values && !Number.isNaN(column.values[row])) {
      colour = STEPS[Math.round(255 * Math.min(Math.max((column.values[row] - low) / span, 0), 1))];
    }
    const at = 4 * row;
    colours[at] = colour[0];
    colours[at + 1] = colour[1];
    colours[at + 2] = colour[2];
    colours[at + 3] = mask === null || mask[row] ? 225 : 16;
  }
  return colours;
}
