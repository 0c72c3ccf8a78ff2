// What comes from files, the clipboard and drops, and what is saved.

import { download } from "./bytes.js";
import { $, pickFiles, tell } from "./dom.js";
import { Refusal, patiently } from "./connection.js";
import { MAPS, PICTURES, PhotographDialog, requireShape } from "./photograph.js";
import { readPicture } from "./pictures.js";
import { blankCondition, conditionFile, conditionOf, editOf, makeExemplar, mapPicture } from "./workspace.js";

const DROPS = {
  condition: "Drop a condition to paint on", map: "Drop the map of this exemplar", picture: "Drop pictures, or a recipe",
};

export class Files {
  constructor(editor) {
    this.editor = editor;
    this.photograph = new PhotographDialog(editor);
    const on = (id, action, place) => $(id).addEventListener("click", () => {
      for (const menu of document.querySelectorAll("[popover]")) menu.hidePopover();
      editor.guarded(action, place);
    });
    on("add", () => this.pickExemplars(), "error-exemplars");
    on("open-map", () => this.openMap(), "error-condition");
    on("open-edges", () => this.openMap(), "error-condition");
    on("open-recipe", () => this.openRecipe());
    on("open-photograph", () => this.photograph.open());
    on("another", () => editor.another());
    on("new-map", () => this.askBlank());
    on("save-picture", () => this.savePicture());
    on("save-map", () => this.saveMap());
    on("save-recipe", () => this.saveRecipe());
    $("copy").addEventListener("click", () => this.copy());
    $("save-menu").addEventListener("toggle", () => { $("command").textContent = this.command; });
    $("blank").querySelector("form").addEventListener("submit", (event) => this.makeBlank(event));
    for (const button of document.querySelectorAll("dialog [data-closes]")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
    this.bindDrops();
  }

  get waiting() { return this.editor.waiting; }

  // Adds pictures as exemplars; those that cannot be read are named, the others come in.
  async addPictures(files) {
    const { editor } = this;
    const { workspace } = editor;
    const room = editor.limits.exemplars - workspace.exemplars.length;
    const read = await Promise.allSettled(files.slice(0, room).map((file) => this.exemplar(file)));
    const made = read.filter((each) => each.status === "fulfilled").map((each) => each.value);
    if (made.length) editor.add(made, workspace);
    const wrong = read.filter((each) => each.status === "rejected").map((each) => each.reason.message);
    if (files.length > room) wrong.push(`At most ${editor.limits.exemplars} exemplars fit; the rest was left out.`);
    tell("error-exemplars", wrong.join(" "));
  }

  async exemplar(file) {
    const { model, limits } = this.editor;
    const picture = await readPicture(file, limits);
    const exemplar = makeExemplar(picture, file.name || "Pasted picture");
    if (model.key === "lines") await this.setMap(exemplar, { lines: picture.image });
    return exemplar;
  }

  async setMap(exemplar, condition) {
    const { model, joints } = this.editor;
    exemplar.map = await mapPicture(condition, model, joints, this.waiting);
    exemplar.condition = condition;
  }

  async pickExemplars() {
    const files = await pickFiles(PICTURES, true);
    if (files.length) await this.addPictures(files);
  }

  // Gives an exemplar its own condition.
  async addMap(exemplar, given = null) {
    const { editor } = this;
    const [file] = given ? [given] : await pickFiles(MAPS[editor.model.key]);
    if (!file) return;
    try {
      if (editor.task === "edit") return await this.changePhotographMap(exemplar, file);
      const condition = await conditionFile(file, editor.model, editor.limits, [exemplar.height, exemplar.width]);
      await this.setMap(exemplar, condition);
      editor.changeExemplar(exemplar, {});
    } catch (error) {
      exemplar.error = error.message;
      editor.inspect();
      editor.progress.settle();
    }
  }

  // Another map of the photograph that is edited: the work begins anew with it.
  async changePhotographMap(photograph, file) {
    const { editor } = this;
    const condition = await conditionFile(file, editor.model, editor.limits, [photograph.height, photograph.width]);
    const workspace = await editOf({ ...photograph, condition }, editor.model, editor.joints, this.waiting);
    requireShape(photograph, workspace.condition);
    if (!(await editor.mayReplace("edit"))) return;
    editor.open(workspace);
  }

  // Opens a condition to paint on, which undo takes back.
  async openMap(given = null) {
    const { editor } = this;
    if (editor.task === "edit") return this.addMap(editor.workspace.exemplars[0], given);
    const [file] = given ? [given] : await pickFiles(MAPS[editor.model.key]);
    if (!file) return;
    const { workspace, model } = editor;
    const { height, width } = workspace.condition;
    const read = await conditionFile(file, model, editor.limits, [height, width]);
    const condition = await conditionOf(read, model, editor.joints, this.waiting);
    if (workspace === editor.workspace) this.replace(condition); // else other work was opened meanwhile
  }

  replace(other) {
    const { editor } = this;
    const { condition } = editor.workspace;
    editor.painting.tool.finish();
    if (editor.model.key === "joints") condition.replace(other.width, other.height, other.joints);
    else if (editor.model.key === "lines") condition.take(other);
    else condition.replace(other.width, other.height, other.ids);
    editor.painting.fitSize();
    editor.view.fit();
    editor.painting.changed();
  }

  askBlank() {
    [$("blank-height").value, $("blank-width").value] = this.editor.model.size;
    tell("error-blank", "");
    $("blank").showModal();
  }

  makeBlank(event) {
    if (event.submitter?.value !== "make") return;
    const { editor } = this;
    const [width, height] = ["blank-width", "blank-height"].map((id) => Number($(id).value));
    if (width * height > editor.limits.pixels) {
      event.preventDefault();
      tell("error-blank", `${width} × ${height} is ${width * height} pixels; at most ${editor.limits.pixels} are taken.`);
      return;
    }
    this.replace(blankCondition(editor.model, editor.joints, width, height, editor.painting.id));
  }

  async openRecipe(given = null) {
    const { editor } = this;
    const [file] = given ? [given] : await pickFiles(".json,application/json");
    if (!file) return;
    let recipe;
    try {
      recipe = JSON.parse(await file.text());
    } catch {
      throw new Error(`${file.name} is no JSON; give a recipe that this editor saved.`);
    }
    const names = editor.models.map((model) => model.name);
    if (!names.includes(recipe?.model)) {
      const found = JSON.stringify(recipe?.model) ?? "none";
      throw new Error(`${file.name}: its model is ${found}; this server has ${names.join(", ")}.`);
    }
    // The server checks the whole document first, so that only a sound one takes this one's place.
    const path = recipe.task === "edit" ? "api/edit" : "api/translate";
    try {
      await patiently(path, { body: { ...recipe, outputs: ["image"] } }, this.waiting);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const where = error.field ? ` ${error.field}:` : "";
      throw new Refusal(`${file.name}:${where} ${error.message}.`, error.field, error.status);
    }
    const replaced = recipe.model === editor.model.name ? recipe.task : null;
    if (await editor.mayReplace(replaced)) await editor.useModel(recipe.model, recipe);
    else editor.progress.settle();
  }

  get name() { return this.editor.task === "edit" ? "edit" : "translation"; }

  get command() {
    const model = this.editor.model.embedded ? "" : " --model FOLDER";
    return `rabit replay ${this.name}.json --out ${this.name}-again.png${model}`;
  }

  savePicture() {
    const { shown } = this.editor.workspace;
    if (!shown) throw new Error("There is no picture yet.");
    download(shown.png, `${this.name}.png`, "image/png");
  }

  async saveMap() {
    const { condition } = this.editor.workspace;
    if (this.editor.model.key === "joints") {
      download(JSON.stringify(await condition.condition()), "pose.json", "application/json");
    } else {
      download(await condition.png(), this.editor.model.key === "lines" ? "lines.png" : "map.png", "image/png");
    }
    condition.history.keep();
  }

  // Saves the recipe of the picture that is shown, so that the two belong together.
  async saveRecipe() {
    const { workspace, model } = this.editor;
    if (!workspace.shown) throw new Error("There is no picture yet.");
    const text = JSON.stringify(workspace.shown.document);
    download(text, `${this.name}.json`, "application/json");
    if (text !== JSON.stringify(await workspace.recipe(model))) {
      tell("error-general", "This is the recipe of the picture that is shown. The newest changes have none yet: save again when it is there.");
      return;
    }
    workspace.condition.history.keep();
    workspace.changed = false;
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.command);
      $("copy").textContent = "Copied";
    } catch {
      // Browsers give the clipboard to this machine's pages and to HTTPS only.
      getSelection().selectAllChildren($("command"));
      $("copy").textContent = "Ctrl C";
    }
    setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
  }

  bindDrops() {
    const target = (event) => {
      if (event.target.closest?.("#condition-pane")) return "condition";
      return event.target.closest?.("#details") ? "map" : "picture";
    };
    document.addEventListener("dragover", (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      $("dropping").hidden = false;
      $("dropping").firstElementChild.textContent = DROPS[target(event)];
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) $("dropping").hidden = true;
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      $("dropping").hidden = true;
      const place = target(event) === "condition" ? "error-condition" : "error-exemplars";
      this.editor.guarded(() => this.take([...event.dataTransfer.files], target(event)), place);
    });
    document.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      if (files.length) this.editor.guarded(() => this.take(files, "picture"), "error-exemplars");
    });
  }

  // Takes files that came by drop or paste.
  async take(files, target) {
    const { editor } = this;
    if (!files.length || !editor.workspace) return;
    const json = /\.json$/i.test(files[0].name);
    if (json && editor.model.key !== "joints") return this.openRecipe(files[0]);
    if (target === "condition") return this.openMap(files[0]);
    if (target === "map" && editor.inspector.exemplar) return this.addMap(editor.inspector.exemplar, files[0]);
    if (json) return this.openRecipe(files[0]);
    if (editor.task === "edit") return this.photograph.open(files[0]);
    await this.addPictures(files);
  }
}
