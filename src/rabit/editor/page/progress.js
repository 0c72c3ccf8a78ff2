// Pictures that are asked for, and what is said about it.

import { Asking, Refusal } from "./connection.js";
import { $, tell } from "./dom.js";
import { pictureOf } from "./result.js";

export class Progress {
  constructor(editor) {
    this.editor = editor;
    this.refused = null; // where a refusal is told: {place} or {exemplar}
    this.asking = new Asking({
      request: (full) => this.request(full),
      answered: (answer, request, since) => this.answered(answer, request, since),
      failed: (error) => this.failed(error),
      waiting: (busy) => this.wait(busy),
      started: (full) => this.state("working", full ? "Making the picture…" : null),
    });
  }

  stop() { this.asking.stop(); }

  ask(full) {
    if (this.editor.workspace.exemplars.length) this.asking.ask(full);
  }

  async request(full) {
    const { workspace, model } = this.editor;
    const { revision, width, height } = workspace.condition;
    const body = await workspace.recipe(model);
    const outputs = full && model.alignment ? ["image", "warped", "confidence", "matches"] : ["image"];
    return {
      path: `api/${workspace.task}`, body: { ...body, outputs }, document: body, full, revision, width, height, workspace,
      exemplars: workspace.exemplars.slice(),
    };
  }

  async answered(answer, request, since) {
    const { workspace } = request;
    const shown = await pictureOf(answer, request, workspace.shown);
    shown.milliseconds = Math.round(performance.now() - since);
    workspace.shown = shown;
    const first = workspace.first;
    if (request.full && (!first || first.width !== shown.width || first.height !== shown.height)) workspace.first = shown;
    if (workspace !== this.editor.workspace) return;
    this.unsay();
    this.editor.result.renew();
    // For those who wait for it: how many whole pictures there have been.
    if (request.full) $("result").dataset.pictures = Number($("result").dataset.pictures) + 1;
    const more = this.asking.wish !== null;
    const done = request.full ? "Ready" : "Preview";
    this.state(more || !request.full ? "working" : "ready", `${done} · ${shown.milliseconds} ms`);
  }

  // An action ends without a picture of its own: nothing is said to go on that does not.
  settle() {
    if (this.asking.busy || !["working", "waiting"].includes(document.body.dataset.state)) return;
    this.state("ready", "Nothing was changed.");
  }

  // Takes back what was said of a refusal; what went wrong with a file stays.
  unsay() {
    if (this.refused?.exemplar) {
      this.refused.exemplar.error = "";
      this.editor.inspect();
    } else if (this.refused) {
      tell(this.refused.place, "");
    }
    this.refused = null;
  }

  // Says what was refused beside what it is about; all work stays.
  failed(error) {
    this.unsay();
    const field = error.field ?? "";
    const at = /^exemplars\[(\d+)\]/.exec(field);
    const exemplar = at && this.editor.workspace.exemplars[Number(at[1])];
    if (exemplar) {
      exemplar.error = error.message;
      this.refused = { exemplar };
      this.editor.select(Number(at[1]));
    } else {
      const place = field.startsWith("condition") || field.startsWith("labels") ? "error-condition" : "error-general";
      tell(place, error.message);
      this.refused = { place };
    }
    this.state("refused", "No new picture: see the message.");
    if (!(error instanceof Refusal) && error.constructor !== Error) throw error;
  }

  wait(busy) {
    clearInterval(this.countdown);
    if (!busy) return;
    const until = performance.now() + 1000 * busy.seconds;
    const count = () => {
      const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
      this.state("waiting", `${busy.message}. Trying again in ${left} s; your work is kept.`);
    };
    count();
    this.countdown = setInterval(count, 1000);
  }

  state(name, text) {
    document.body.dataset.state = name;
    if (name !== "waiting") clearInterval(this.countdown);
    if (text) $("state").textContent = text;
  }
}
