// The dialog in which a photograph and its own map are given to be edited.

import { $, tell } from "./dom.js";
import { readPicture } from "./pictures.js";
import { conditionFile, conditionOf, editOf } from "./workspace.js";

export const PICTURES = "image/*,.png,.jpg,.jpeg,.webp";
export const MAPS = { labels: ".png,image/png", lines: PICTURES, joints: ".json,application/json" };
const OWN = {
  labels: "Its map: PNG of class ids", lines: "Its lines: a picture, or leave them out", joints: "Its pose: OpenPose’s JSON",
};

export class PhotographDialog {
  constructor(editor) {
    this.editor = editor;
    this.given = null; // a photograph that was dropped
    $("photograph").querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      await editor.guarded(() => this.edit(), "error-edit");
    });
  }

  open(photograph = null) {
    this.given = photograph;
    const { key } = this.editor.model;
    $("edit-map-label").textContent = OWN[key];
    $("edit-photograph").value = "";
    $("edit-map").value = "";
    $("edit-given").textContent = photograph ? photograph.name : "";
    $("edit-map").accept = MAPS[key];
    tell("error-edit", "");
    $("photograph").showModal();
  }

  async edit() {
    const { editor } = this;
    const file = $("edit-photograph").files[0] ?? this.given;
    if (!file) throw new Error("Choose the photograph.");
    const map = $("edit-map").files[0];
    if (!map && editor.model.key !== "lines") {
      throw new Error("Choose the photograph’s map: without it nothing can be changed.");
    }
    let picture = await readPicture(file, editor.limits, true);
    let condition = { lines: picture.image };
    if (map) {
      const own = await this.readMap(map, picture);
      condition = own.given;
      if (!sameShape(picture, own)) picture = await readPicture(file, editor.limits, true, own);
      requireShape(picture, own);
    }
    const workspace = await editOf({ ...picture, condition }, editor.model, editor.joints, editor.waiting);
    workspace.exemplars[0].name = file.name || "Photograph";
    if (!(await editor.mayReplace("edit"))) return;
    $("photograph").close();
    editor.painting.tool.finish();
    editor.open(workspace);
  }

  // The map as it is given to the server, and its size.
  async readMap(file, { height, width }) {
    const { model, joints, limits, waiting } = this.editor;
    try {
      const given = await conditionFile(file, model, limits, [height, width]);
      const read = await conditionOf(given, model, joints, waiting);
      return { given, width: read.width, height: read.height };
    } catch (error) {
      if (error.constructor !== Error && error.status === undefined) throw error;
      throw new Error(`${file.name}: ${error.message.replace(`${file.name}: `, "")}`);
    }
  }
}

function sameShape(one, other) { return one.height * other.width === other.height * one.width; }

export function requireShape(picture, condition) {
  if (sameShape(picture, condition)) return;
  const [own, other] = [picture.from ?? picture, condition].map(({ width, height }) => `${width} × ${height}`);
  throw new Error(`The photograph is ${own} and its map ${other}; they must have one shape.`);
}
