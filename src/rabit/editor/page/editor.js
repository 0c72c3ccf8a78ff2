// The editor: brings the parts together, asks for pictures and says how that goes.

import { Refusal, patiently, readToken } from "./connection.js";
import { $, asked, choice, tell } from "./dom.js";
import { Files } from "./files.js";
import { Inspector } from "./inspector.js";
import { Painting } from "./painting.js";
import { View } from "./pane.js";
import { Progress } from "./progress.js";
import { ResultPane } from "./result.js";
import { bindKeys, listShortcuts } from "./shortcuts.js";
import { Workspace, blankCondition, editOf, workspaceOf } from "./workspace.js";

const TITLES = { labels: "Classes", lines: "Lines", joints: "Joints" };
const SAVED_AS = { labels: "PNG of class ids", lines: "PNG of lines", joints: "JSON of joints" };

class Editor {
  constructor() {
    this.workspaces = {};
    this.model = null;
    this.seed = 0;
    this.view = new View();
    this.painting = new Painting(this.view, {
      changing: () => this.progress.ask(false),
      changed: () => {
        tell("error-condition", "");
        this.inspect();
        this.progress.ask(true);
      },
    });
    this.inspector = new Inspector({
      addMap: (exemplar) => this.files.addMap(exemplar),
      dropMap: (exemplar) => this.changeExemplar(exemplar, { condition: null, map: null }),
      remove: (exemplar) => this.remove(exemplar),
      change: (exemplar) => this.changeExemplar(exemplar, {}),
      select: (index) => this.select(index),
      mix: (full) => {
        this.workspace.changed = true;
        this.progress.ask(full);
      },
    });
    this.result = new ResultPane(this.view, (match) => this.found(match));
    this.files = new Files(this);
    this.progress = new Progress(this);
    this.bind();
  }

  get waiting() { return (busy) => this.progress.wait(busy); }
  get workspace() { return this.workspaces[this.task]; }
  get task() { return document.body.dataset.task; }

  bind() {
    this.tasks = choice($("task"), (task) => this.guarded(() => this.switchTo(task)));
    $("model").addEventListener("change", () => this.guarded(async () => {
      const name = $("model").value;
      $("model").value = this.model.name;
      if (await this.mayReplace()) await this.useModel(name);
    }));
    $("mix").addEventListener("input", () => this.mix(false));
    $("mix").addEventListener("change", () => this.mix(true));
    $("keep").addEventListener("change", () => {
      this.workspace.keep = $("keep").checked;
      this.workspace.changed = true;
      this.progress.ask(true);
    });
    $("seed").addEventListener("change", () => {
      const seed = Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor(Number($("seed").value)) || 0));
      $("seed").value = seed;
      this.workspace.seed = seed;
      this.workspace.changed = true;
      this.progress.ask(true);
    });
    $("zoom-in").addEventListener("click", () => this.painting.pane.zoom(1.25));
    $("zoom-out").addEventListener("click", () => this.painting.pane.zoom(0.8));
    $("zoom-fit").addEventListener("click", () => this.view.fit());
    for (const place of ["error-condition", "error-general", "error-exemplars"]) {
      $(place).addEventListener("click", () => tell(place, ""));
    }
    $("help").addEventListener("click", () => $("shortcuts").showModal());
    $("chosen").addEventListener("click", () => {
      this.tab("classes");
      $("palette").focus();
    });
    $("tabs").addEventListener("click", (event) => {
      const tab = event.target.closest("button")?.dataset.tab;
      if (tab) this.tab(tab);
    });
    $("palette").addEventListener("click", () => this.tab("stage"));
    addEventListener("beforeunload", (event) => {
      if (Object.values(this.workspaces).some((each) => each.unsaved)) event.preventDefault();
    });
    listShortcuts();
    bindKeys({
      painting: this.painting, result: this.result, view: this.view,
      save: () => this.guarded(() => this.files.savePicture()),
      open: () => this.guarded(() => this.files.openMap(), "error-condition"),
    });
  }

  async start() {
    readToken();
    const about = await patiently("api/models", {}, this.waiting);
    Object.assign(this, { models: about.models, limits: about.limits, joints: about.joints });
    for (const model of this.models) {
      model.key = keyOf(model);
      $("model").append(new Option(model.name, model.name));
    }
    $("model-field").classList.toggle("single", this.models.length === 1);
    await this.useModel(this.models[0].name);
  }

  // Starts anew with a model and an example of it.
  async useModel(name, recipe = null) {
    const model = this.models.find((each) => each.name === name);
    this.progress.state("working", "Loading…");
    const given = recipe ?? (await this.example(model));
    const workspace = given ? await workspaceOf(given, model, this.joints, this.waiting)
      : new Workspace("translate", blankCondition(model, this.joints, model.size[1], model.size[0]), []);
    if (this.model !== model) this.workspaces = {};
    this.model = model;
    $("model").value = name;
    this.open(workspace);
  }

  // Asks before work is put away that is saved nowhere.
  async mayReplace(task = null) {
    const workspaces = task ? [this.workspaces[task]] : Object.values(this.workspaces);
    return !workspaces.some((each) => each?.unsaved) || (await asked($("leaving"))) === "replace";
  }

  async example(model) {
    try {
      return await patiently(`api/example?model=${encodeURIComponent(model.name)}&seed=${this.seed}`, {}, this.waiting);
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return null;
      throw error;
    }
  }

  async another() {
    if (!(await this.mayReplace(this.task))) return;
    this.seed += 1;
    const recipe = await this.example(this.model);
    if (!recipe) throw new Error(`There are no examples for ${this.model.name}; open a condition and a picture.`);
    const workspace = await workspaceOf(recipe, this.model, this.joints, this.waiting);
    if (this.task === "edit") this.open(await editOf(workspace.exemplars[0], this.model, this.joints, this.waiting));
    else this.open(workspace);
  }

  // Shows a workspace in place of the one of its task.
  open(workspace) {
    const { task } = workspace;
    this.workspaces[task] = workspace;
    document.body.dataset.task = task;
    document.body.dataset.kind = this.model.kind;
    this.tasks.set(task);
    for (const part of document.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== task;
    for (const part of document.querySelectorAll("[data-kind-of]")) part.hidden = part.dataset.kindOf !== this.model.key;
    $("keep").checked = workspace.keep;
    $("seed").value = workspace.seed;
    $("under").value = this.model.key === "joints" ? 60 : 0;
    for (const place of ["error-condition", "error-general", "error-exemplars"]) tell(place, "");
    $("classes-title").textContent = TITLES[this.model.key];
    $("save-map-kind").textContent = SAVED_AS[this.model.key];
    for (const part of document.querySelectorAll("[inert]")) part.inert = false;
    this.painting.open(workspace, this.model);
    this.result.use(workspace);
    this.inspect();
    this.view.fit();
    this.progress.stop();
    if (workspace.exemplars.length) this.progress.ask(true);
    else this.progress.state("ready", "Add an exemplar to get a picture.");
  }

  async switchTo(task) {
    if (task === this.task) return;
    this.painting.tool.finish();
    let workspace = this.workspaces[task];
    if (!workspace) {
      // What is at hand is edited first: the exemplar with its map.
      const from = this.workspace.exemplars.find((exemplar) => exemplar.condition);
      if (!from) return this.files.photograph.open();
      workspace = await editOf(from, this.model, this.joints, this.waiting);
    }
    this.open(workspace);
  }

  inspect() {
    this.inspector.render(this.workspace, this.model);
    $("add").disabled = this.workspace.exemplars.length >= this.limits.exemplars;
  }

  select(index) {
    this.workspace.selected = index;
    this.inspect();
  }

  // Takes up exemplars that a person brought for a workspace; another may be shown by now.
  add(exemplars, workspace) {
    workspace.exemplars.push(...exemplars);
    workspace.selected = workspace.exemplars.length - 1;
    workspace.changed = true;
    if (workspace !== this.workspace) return;
    this.inspect();
    this.progress.ask(true);
  }

  remove(exemplar) {
    const { workspace } = this;
    workspace.exemplars = workspace.exemplars.filter((other) => other !== exemplar);
    workspace.selected = Math.min(workspace.selected, workspace.exemplars.length - 1);
    workspace.changed = true;
    this.inspect();
    this.progress.ask(true);
  }

  changeExemplar(exemplar, change) {
    Object.assign(exemplar, change, { error: "" });
    this.workspace.changed = true;
    this.inspect();
    this.progress.ask(true);
  }

  mix(full) {
    const share = Math.min(0.99, Math.max(0.01, $("mix").value / 100));
    const [one, other] = this.workspace.exemplars;
    [one.weight, other.weight] = [1 - share, share].map((value) => Math.round(value * 100) / 100);
    this.workspace.changed = true;
    this.progress.ask(full);
  }

  // Says and shows where a place of the result came from.
  found(match) {
    $("match").textContent = match ? this.sentence(match) : "";
    $("peek").hidden = !match?.exemplar;
    if (match) $("peek").classList.toggle("right", match.at.x < this.workspace.condition.width / 2);
    this.painting.point(match?.at ?? null);
    if (this.inspector.workspace) this.inspector.point(match?.exemplar ? match : null);
  }

  sentence({ at, exemplar, x, y, confidence }) {
    const sure = confidence === undefined ? "" : `, confidence ${confidence.toFixed(2)}`;
    const names = this.model.key === "labels" ? this.model.classes : [];
    const here = names[names.length && this.workspace.condition.at(at)] ?? "";
    if (!exemplar) return `${here} ${at.x}, ${at.y}${sure}`;
    const number = this.workspace.exemplars.indexOf(exemplar) + 1; // 0 where it has just been removed
    const source = number && this.workspace.exemplars.length > 1 ? ` of exemplar ${number}` : "";
    return `${here} ${at.x}, ${at.y} is from ${x}, ${y}${source}${sure}`;
  }

  tab(name) {
    document.body.dataset.tab = name;
    for (const button of $("tabs").children) button.setAttribute("aria-current", button.dataset.tab === name);
    if (name === "inspector") this.inspector.drawLook();
  }

  // Runs an action of a person; what goes wrong is said.
  async guarded(action, place = "error-general") {
    tell(place, "");
    try {
      await action();
    } catch (error) {
      if (!this.workspace) {
        this.progress.state("refused", "The editor could not start.");
        tell("failure", error.message);
      } else {
        this.progress.settle();
        tell(place, error.message);
      }
      if (!(error instanceof Refusal) && error.constructor !== Error) throw error;
    }
  }
}

// Which of labels, lines and joints a model's conditions are.
function keyOf(model) {
  if (model.kind === "pose") return "joints";
  return model.kind === "edge" && model.classes.length === 2 ? "lines" : "labels";
}

const editor = new Editor();
editor.guarded(() => editor.start());
