// One task's work: the condition, the exemplars and what came out; and its way to the recipe that
// the server reads and back.

import { patiently } from "./connection.js";
import { rgb } from "./dom.js";
import { tracedLines } from "./edges.js";
import { NIGHT, Pose, readPose, standing } from "./joints.js";
import { INK, LabelMap, LineDrawing, PAPER, idsOf } from "./labels.js";
import { bitmapOf, fileBase64, readPicture } from "./pictures.js";

let made = 0;

export class Workspace {
  constructor(task, condition, exemplars) {
    Object.assign(this, { task, condition, exemplars });
    this.selected = 0;
    this.keep = true;
    this.seed = 0;
    this.shown = null; // the last picture and all that belongs to it
    this.first = null; // what it is compared with
    this.changed = false; // exemplars that a person brought, not yet in a recipe on the disk
  }

  get unsaved() { return this.changed || this.condition.history.changed; }

  // What the exemplar paints: its classes, or those that no other one has; null is everything.
  claims(exemplar, classes) {
    if (exemplar.classes) return new Set(exemplar.classes);
    const taken = new Set(this.exemplars.flatMap((other) => other.classes ?? []));
    return new Set(Array.from({ length: classes }, (_, id) => id).filter((id) => !taken.has(id)));
  }

  // The exemplars that paint a region which this one paints too.
  sharing(exemplar, classes) {
    const own = this.claims(exemplar, classes);
    const shares = (other) => [...this.claims(other, classes)].some((id) => own.has(id));
    return this.exemplars.filter((other) => other !== exemplar && shares(other));
  }

  async recipe(model) {
    const document = {
      task: this.task,
      model: model.name,
      condition: await this.condition.condition(),
      exemplars: this.exemplars.map(({ image, condition, classes, weight }) => ({ image, condition, classes, weight })),
      seed: this.seed,
      precision: model.precision,
    };
    if (this.task === "edit") document.keep_unedited = this.keep;
    return document;
  }
}

// An exemplar: a picture as `readPicture` gives it, and maybe its own condition.
export function makeExemplar(picture, name, condition = null) {
  made += 1;
  return {
    key: made, name, note: picture.note ?? "", image: picture.image, bitmap: picture.bitmap,
    width: picture.bitmap.width, height: picture.bitmap.height,
    condition, map: null, classes: null, weight: 1, error: "",
  };
}

export function coloursOf(model) {
  if (model.key === "lines") return [PAPER, INK];
  return model.colours;
}

// Reads a map of ids; the server does, as a browser shows a palette's colours only.
async function readLabels(text, model, waiting) {
  const answer = await patiently("api/labels", { body: { labels: text, model: model.name } }, waiting);
  return { width: answer.width, height: answer.height, ids: idsOf(answer) };
}

// Reads a drawing of lines: pixels nearer to the rarer of its two tones are lines.
async function readLines(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const luma = Float32Array.from({ length: data.length / 4 },
    (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
  let [dark, light, near, coloured] = [255, 0, 0, false];
  for (const value of luma) [dark, light] = [Math.min(dark, value), Math.max(light, value)];
  luma.forEach((value, i) => {
    if (value < 32 || value > 223) near += 1;
    if (data[4 * i] !== data[4 * i + 1] || data[4 * i] !== data[4 * i + 2]) coloured = true;
  });
  if (coloured || near < 0.9 * luma.length) return null; // a photograph
  const darker = Uint8Array.from(luma, (value) => (light - dark >= 32 && 2 * value <= dark + light ? 1 : 0));
  const count = darker.reduce((sum, value) => sum + value, 0);
  return 2 * count > darker.length ? darker.map((value) => 1 - value) : darker;
}

// A drawing of what a picture shows: its lines, or the edges of the photograph that it is.
async function drawingOf(text, bitmap) {
  const lines = await readLines(bitmap);
  const drawing = new LineDrawing(bitmap.width, bitmap.height);
  const ids = lines ?? tracedLines(bitmap);
  drawing.set({ width: bitmap.width, height: bitmap.height, ids, original: ids.slice() });
  if (!lines) drawing.photograph = text;
  return drawing;
}

// Makes what is painted on from a recipe's condition.
export async function conditionOf(given, model, joints, waiting) {
  if (given.joints) {
    const [height, width] = given.size;
    return new Pose(width, height, given.joints.slice(), joints.names, joints.limbs);
  }
  if (given.lines) return drawingOf(given.lines, await bitmapOf(given.lines));
  const { width, height, ids } = await readLabels(given.labels, model, waiting);
  return new LabelMap(width, height, ids, coloursOf(model));
}

// Reads a person's file as a recipe's condition for a picture of a size [height, width].
export async function conditionFile(file, model, limits, size) {
  if (model.key === "joints") {
    let document;
    try {
      document = JSON.parse(await file.text());
    } catch {
      throw new Error(`${file.name} is no JSON; give a pose as OpenPose writes it.`);
    }
    try {
      const { width, height, joints } = readPose(document, size, limits);
      return { joints, size: [height, width] };
    } catch (error) {
      throw new Error(`${file.name}: ${error.message}.`);
    }
  }
  if (model.key === "lines") return { lines: (await readPicture(file, limits, true)).image };
  return { labels: await fileBase64(file, limits) };
}

// A small picture of an exemplar's own condition, to be shown beside it; a bad map is refused here.
export async function mapPicture(given, model, joints, waiting) {
  const condition = await conditionOf(given, model, joints, waiting);
  if (condition.canvas) return condition.canvas;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [condition.width, condition.height];
  const context = canvas.getContext("2d");
  context.fillStyle = NIGHT;
  context.fillRect(0, 0, canvas.width, canvas.height);
  condition.selected = null;
  condition.draw(context, condition.height / 200);
  return canvas;
}

// Opens a recipe: everything in it is decoded, or an error says what is wrong.
export async function workspaceOf(recipe, model, joints, waiting) {
  const exemplars = [];
  for (const [at, given] of recipe.exemplars.entries()) {
    const picture = { image: given.image, bitmap: await bitmapOf(given.image) };
    const name = recipe.task === "edit" ? "Photograph" : `Exemplar ${at + 1}`;
    const exemplar = makeExemplar(picture, name, given.condition ?? null);
    exemplar.classes = given.classes ?? null;
    exemplar.weight = given.weight ?? 1;
    if (exemplar.condition) exemplar.map = await mapPicture(exemplar.condition, model, joints, waiting);
    exemplars.push(exemplar);
  }
  const condition = await conditionOf(recipe.condition, model, joints, waiting);
  if (recipe.task === "edit") {
    const before = await conditionOf(recipe.exemplars[0].condition, model, joints, waiting);
    if (before.ids?.length === condition.ids?.length && before.ids) condition.original = before.ids;
  }
  const workspace = new Workspace(recipe.task, condition, exemplars);
  workspace.keep = recipe.keep_unedited ?? true;
  workspace.seed = recipe.seed ?? 0;
  return workspace;
}

// A photograph and its own condition, to be edited.
export async function editOf(exemplar, model, joints, waiting) {
  let { condition } = exemplar;
  const own = await conditionOf(condition, model, joints, waiting);
  if (own.photograph) {
    // What is drawn and what the photograph has must be found in one way, or all would count as edited.
    own.photograph = null;
    condition = await own.condition();
  }
  const photograph = { ...makeExemplar(exemplar, "Photograph", condition), note: exemplar.note };
  photograph.map = await mapPicture(condition, model, joints, waiting);
  return new Workspace("edit", own, [photograph]);
}

// An empty condition of a size.
export function blankCondition(model, joints, width, height, id = 0) {
  if (model.key === "joints") return new Pose(width, height, standing(width, height), joints.names, joints.limbs);
  if (model.key === "lines") return new LineDrawing(width, height);
  return LabelMap.blank(width, height, coloursOf(model), id);
}

export function swatches(model, joints) {
  if (model.key === "joints") return joints.names.map((_, joint) => `hsl(${joint * 20} 85% 58%)`);
  return coloursOf(model).map(rgb);
}
