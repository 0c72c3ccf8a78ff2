// The pane of the result: what came out, its layers, the comparison and where each place came from.

import { fromBase64 } from "./bytes.js";
import { $, choice } from "./dom.js";
import { crosshair } from "./inspector.js";
import { outline } from "./tools.js";
import { Pane } from "./pane.js";

// Colours of confidence from 0 to 1; the legend in panels.css has the same.
const RAMP = [[35, 16, 66], [129, 37, 110], [222, 84, 73], [252, 178, 72], [252, 253, 191]];
const DIVIDER_REACH = 14;

function rampColour(value) {
  const at = Math.min(0.9999, Math.max(0, value)) * (RAMP.length - 1);
  const low = Math.floor(at);
  return RAMP[low].map((from, i) => from + (at - low) * (RAMP[low + 1][i] - from));
}

async function decoded(text) {
  return createImageBitmap(new Blob([fromBase64(text)], { type: "image/png" }));
}

// Makes what is shown from an answer; what a preview leaves out is kept from before.
export async function pictureOf(answer, request, before) {
  const bitmap = await decoded(answer.image);
  const shown = { ...request, bitmap, png: fromBase64(answer.image), width: bitmap.width, height: bitmap.height };
  if (!request.full) {
    const same = before?.width === bitmap.width && before?.height === bitmap.height;
    return same ? { ...before, ...shown, exemplars: before.exemplars } : shown;
  }
  shown.warped = answer.warped ? await decoded(answer.warped) : null;
  if (answer.confidence) Object.assign(shown, await confidenceOf(await decoded(answer.confidence)));
  if (answer.matches) {
    const { width, height, x, y, exemplar } = answer.matches;
    shown.matches = {
      width, height, x: new Int16Array(fromBase64(x).buffer), y: new Int16Array(fromBase64(y).buffer),
      exemplar: fromBase64(exemplar),
    };
  }
  return shown;
}

async function confidenceOf(bitmap) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const data = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const levels = Uint8Array.from({ length: bitmap.width * bitmap.height }, (_, i) => data.data[4 * i]);
  levels.forEach((level, i) => data.data.set(rampColour(level / 255), 4 * i));
  context.putImageData(data, 0, 0);
  return { confidence: canvas, levels };
}

export class ResultPane {
  // found(match or null) is told where the place that is pointed at came from.
  constructor(view, found) {
    this.found = found;
    this.workspace = null;
    this.layer = "image";
    this.comparing = false;
    this.cursor = null;
    this.pane = new Pane($("result"), view, {
      size: () => this.workspace?.condition,
      draw: (context, unit, scale) => this.draw(context, unit, scale),
      hands: {
        down: (point) => this.press(point),
        move: (point) => this.drag(point),
        up: () => { this.dividing = false; },
        cancel: () => { this.dividing = false; },
        hover: (point, event) => this.hover(point, event),
        leave: (event) => event.pointerType === "touch" || this.point(null),
      },
    });
    this.layers = choice($("layer"), (value) => this.show(value));
    this.layers.set("image");
    $("compare").addEventListener("click", () => this.compare(!this.comparing));
    $("divider").addEventListener("input", () => this.pane.redraw());
    $("pin").addEventListener("click", () => {
      this.workspace.first = this.workspace.shown;
      this.pane.redraw();
    });
    $("result").addEventListener("keydown", (event) => this.key(event));
  }

  use(workspace) {
    this.workspace = workspace;
    this.point(null);
    this.renew();
  }

  // Brings everything up to date after another picture came.
  renew() {
    const { shown, task } = this.workspace;
    for (const button of $("layer").querySelectorAll("button")) {
      button.disabled = button.dataset.value !== "image" && !shown?.[button.dataset.value];
    }
    if (!shown?.[this.layer] && this.layer !== "image" && shown?.full) this.show("image");
    $("before-name").textContent = task === "edit" ? "Photograph" : "First";
    $("pin").hidden = task === "edit";
    if (shown) {
      const { revision, full, milliseconds } = shown;
      Object.assign($("result").dataset, { revision, full, milliseconds });
    }
    this.pane.redraw();
    if (this.cursor) this.point(this.cursor);
  }

  show(layer) {
    if (layer !== "image" && !this.workspace.shown?.[layer]) return;
    this.layer = layer;
    if (layer !== "image" && this.comparing) this.compare(false);
    this.layers.set(layer);
    $("legend").hidden = layer !== "confidence";
    this.pane.redraw();
  }

  compare(on) {
    this.comparing = on;
    $("comparing").hidden = !on;
    $("compare").setAttribute("aria-pressed", on);
    if (on) this.show("image");
    this.pane.redraw();
  }

  get before() {
    return this.workspace.task === "edit" ? this.workspace.exemplars[0]?.bitmap : this.workspace.first?.bitmap;
  }

  get divider() { return ($("divider").value / 100) * this.workspace.condition.width; }

  draw(context, unit, scale) {
    const { shown, condition } = this.workspace;
    const { width, height } = condition;
    if (!shown) return;
    const picture = { image: shown.bitmap, warped: shown.warped, confidence: shown.confidence }[this.layer] ?? shown.bitmap;
    context.imageSmoothingEnabled = this.layer === "image" && scale < 8;
    context.drawImage(picture, 0, 0, width, height);
    if (this.comparing && this.before) {
      context.save();
      context.beginPath();
      context.rect(0, 0, this.divider, height);
      context.clip();
      context.drawImage(this.before, 0, 0, width, height);
      context.restore();
      outline(context, unit, () => {
        context.moveTo(this.divider, 0);
        context.lineTo(this.divider, height);
      });
    }
    if (this.cursor) crosshair(context, this.cursor.x, this.cursor.y, width, height, unit);
  }

  press(point) {
    const near = Math.abs(point.x - this.divider) * this.pane.frame().scale < DIVIDER_REACH;
    this.dividing = this.comparing && near;
    if (!this.dividing) this.point(point);
  }

  drag(point) {
    if (!this.dividing) return this.point(point);
    $("divider").value = (100 * point.x) / this.workspace.condition.width;
    this.pane.redraw();
  }

  hover(point, event) {
    if (event.pointerType !== "touch") this.point(point);
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") this.point(null);
    if (!step) return;
    event.preventDefault();
    const { width, height } = this.workspace.condition;
    const by = event.shiftKey ? 10 : 1;
    const from = this.cursor ?? { x: width / 2, y: height / 2 };
    this.point({
      x: Math.min(width - 0.5, Math.max(0.5, from.x + by * step[0])),
      y: Math.min(height - 0.5, Math.max(0.5, from.y + by * step[1])),
    });
  }

  // Points at a place of the result, and tells where it came from.
  point(point) {
    const { shown, condition } = this.workspace ?? {};
    const within = (value, most) => value >= 0 && value < most;
    const inside = point && shown && within(point.x, condition.width) && within(point.y, condition.height);
    this.cursor = inside ? point : null;
    this.pane.redraw();
    this.found(inside ? this.matchAt(point) : null);
  }

  matchAt(point) {
    const { shown, condition } = this.workspace;
    const index = (size) => {
      const column = Math.floor((point.x / condition.width) * size.width);
      return Math.floor((point.y / condition.height) * size.height) * size.width + column;
    };
    const told = { at: { x: Math.floor(point.x), y: Math.floor(point.y) }, exemplar: null };
    if (shown.levels) told.confidence = shown.levels[index(shown.confidence)] / 255;
    if (shown.matches) {
      const i = index(shown.matches);
      told.exemplar = shown.exemplars[shown.matches.exemplar[i]] ?? null;
      [told.x, told.y] = [shown.matches.x[i], shown.matches.y[i]];
      if (told.x < 0) told.exemplar = null;
    }
    return told;
  }
}
