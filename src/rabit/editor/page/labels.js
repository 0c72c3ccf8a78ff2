// A condition that is a map of ids: the regions of a label map, or the lines of a drawing. The array
// of ids is the truth; the canvas only shows it.

import { fromBase64, greyPng, toBase64 } from "./bytes.js";
import { History, applyRuns, runsBetween } from "./history.js";

const LINE = 1;
export const PAPER = [255, 255, 255];
export const INK = [28, 30, 36];

export class LabelMap {
  // colours: an [r, g, b] for every class. original: what the eraser brings back, as ids.
  constructor(width, height, ids, colours) {
    this.colours = Uint32Array.from(colours, ([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0);
    this.revision = 0;
    this.before = null;
    this.canvas = document.createElement("canvas");
    this.history = new History((step, forward) => this.apply(step, forward));
    this.set({ width, height, ids, original: ids.slice() });
  }

  static blank(width, height, colours, id) {
    const ids = colours.length > 256 ? new Uint16Array(width * height) : new Uint8Array(width * height);
    return new LabelMap(width, height, ids.fill(id), colours);
  }

  get editing() { return this.before !== null; }

  set({ width, height, ids, original }) {
    Object.assign(this, { width, height, ids, original });
    this.canvas.width = width;
    this.canvas.height = height;
    this.show();
  }

  // Brings the canvas up to date, in a box or everywhere.
  show(box = { left: 0, top: 0, right: this.width, bottom: this.height }) {
    this.revision += 1;
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    if (width <= 0 || height <= 0) return;
    const pixels = new Uint32Array(width * height);
    for (let row = 0; row < height; row += 1) {
      const start = (box.top + row) * this.width + box.left;
      for (let column = 0; column < width; column += 1) {
        pixels[row * width + column] = this.colours[this.ids[start + column]];
      }
    }
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    this.canvas.getContext("2d").putImageData(data, box.left, box.top);
  }

  counts() {
    const counts = new Uint32Array(this.colours.length);
    for (const id of this.ids) counts[id] += 1;
    return counts;
  }

  at(point) {
    const [column, row] = [Math.floor(point.x), Math.floor(point.y)];
    const inside = column >= 0 && row >= 0 && column < this.width && row < this.height;
    return inside ? this.ids[row * this.width + column] : null;
  }

  // A change begins; it ends with commit, or with revert as if nothing had been.
  begin() {
    if (!this.before) this.before = this.ids.slice();
  }

  // Returns whether anything has changed.
  commit() {
    const runs = runsBetween(this.before, this.ids);
    this.before = null;
    if (runs.length) this.history.push({ runs });
    return runs.length > 0;
  }

  revert() {
    if (!this.before) return;
    this.ids.set(this.before);
    this.before = null;
    this.show();
  }

  apply(step, forward) {
    if (step.runs) {
      applyRuns(this.ids, step.runs, forward ? 3 : 2);
      this.show();
    } else {
      const { width, height, ids, original } = forward ? step.after : step.before;
      this.set({ width, height, ids: ids.slice(), original });
    }
  }

  // Puts another map in place of this one, which undo brings back.
  replace(width, height, ids) {
    const before = { width: this.width, height: this.height, ids: this.ids, original: this.original };
    const after = { width, height, ids, original: ids.slice() };
    this.history.push({ before, after });
    this.set({ ...after, ids: ids.slice() });
  }

  async png() {
    return greyPng(this.ids, this.width, this.height);
  }

  // The map as the server reads it; packed once for every revision.
  async condition() {
    if (this.packed?.revision !== this.revision) {
      const revision = this.revision;
      this.packed = { revision, text: toBase64(await this.png()) };
    }
    return { labels: this.packed.text };
  }
}

// Lines that are drawn, or a photograph whose edges the server finds until they are drawn on.
export class LineDrawing extends LabelMap {
  constructor(width, height) {
    super(width, height, new Uint8Array(width * height), [PAPER, INK]);
    this.photograph = null; // its base64; the lines are then those that this page finds in it
  }

  // Takes another drawing in place of this one, which undo brings back.
  take(drawing) {
    this.replace(drawing.width, drawing.height, drawing.ids);
    this.swap(drawing.photograph);
  }

  // Notes in the last step that the photograph has changed with it.
  swap(photograph) {
    this.history.steps.at(-1).photograph = { before: this.photograph, after: photograph };
    this.photograph = photograph;
  }

  commit() {
    const changed = super.commit();
    if (changed && this.photograph) this.swap(null);
    return changed;
  }

  apply(step, forward) {
    super.apply(step, forward);
    if (step.photograph) this.photograph = forward ? step.photograph.after : step.photograph.before;
  }

  async png() {
    return greyPng(this.ids.map((id) => (id === LINE ? 0 : 255)), this.width, this.height);
  }

  async condition() {
    if (this.photograph && !this.editing) return { lines: this.photograph };
    return { lines: (await super.condition()).labels };
  }
}

// Ids that the server has read from a file of a map.
export function idsOf(answer) {
  const bytes = fromBase64(answer.ids);
  return answer.bits === 16 ? new Uint16Array(bytes.buffer) : bytes;
}
