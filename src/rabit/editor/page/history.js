// Undo and redo without a limit: what a change did to a map of ids, as runs of pixels.

// Returns the runs in which two maps differ, four numbers a run: first pixel, length, id before and
// id after. Strokes leave a few runs a row, so that thousands of them fit in little memory.
export function runsBetween(before, after) {
  const runs = [];
  let i = 0;
  while (i < before.length) {
    if (before[i] === after[i]) {
      i += 1;
      continue;
    }
    const start = i;
    while (i < before.length && before[i] === before[start] && after[i] === after[start]) i += 1;
    runs.push(start, i - start, before[start], after[start]);
  }
  return Uint32Array.from(runs);
}

// Puts the ids after a change (side 3) or before it (side 2) into a map.
export function applyRuns(ids, runs, side) {
  for (let at = 0; at < runs.length; at += 4) {
    ids.fill(runs[at + side], runs[at], runs[at] + runs[at + 1]);
  }
}

// Steps that can be taken back and again. What a step holds is its owner's affair.
export class History {
  constructor(apply) {
    this.apply = apply; // (step, forward) => void
    this.steps = [];
    this.position = 0;
    this.saved = 0;
  }

  get canUndo() { return this.position > 0; }
  get canRedo() { return this.position < this.steps.length; }
  get changed() { return this.position !== this.saved; }

  // Marks the present state as kept elsewhere, such as in a downloaded file.
  keep() { this.saved = this.position; }

  push(step) {
    if (this.saved > this.position) this.saved = -1; // what was kept cannot be reached any more
    this.steps.length = this.position;
    this.steps.push(step);
    this.position += 1;
  }

  undo() {
    if (!this.canUndo) return false;
    this.position -= 1;
    this.apply(this.steps[this.position], false);
    return true;
  }

  redo() {
    if (!this.canRedo) return false;
    this.apply(this.steps[this.position], true);
    this.position += 1;
    return true;
  }
}
