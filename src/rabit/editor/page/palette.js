// The list of classes, or of joints: with colours, counts and a search.

import { $, element, tell } from "./dom.js";

export class Palette {
  // chosen(id) is told what a person takes.
  constructor(chosen) {
    this.chosen = chosen;
    this.items = [];
    this.id = 0;
    $("search").addEventListener("input", () => this.filter());
    $("used").addEventListener("change", () => this.filter());
    $("search").addEventListener("keydown", (event) => this.searchKey(event));
    $("palette").addEventListener("keydown", (event) => this.key(event));
    $("palette").addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.take(Number(row.dataset.id));
    });
  }

  // names and colours (as CSS) of all classes.
  list(names, colours) {
    this.items = names.map((name, id) => {
      const swatch = element("i", { className: "swatch" });
      swatch.style.background = colours[id];
      const count = element("small");
      const row = element("li", { role: "option", id: `class-${id}`, "data-id": id, "data-name": name, title: name },
        swatch, element("span", { textContent: name }), count);
      return { name, id, colour: colours[id], row, count, used: true };
    });
    $("palette").replaceChildren(...this.items.map((item) => item.row));
    $("search").value = "";
    this.filter();
  }

  // texts: what is said beside each class; used: whether it is there.
  count(texts, used) {
    this.items.forEach((item, id) => {
      if (item.count.textContent !== texts[id]) item.count.textContent = texts[id];
      item.used = used[id];
      item.row.classList.toggle("absent", !used[id]);
    });
    if ($("used").checked) this.filter();
  }

  mark(id) {
    this.id = id;
    for (const item of this.items) item.row.setAttribute("aria-selected", item.id === id);
    const item = this.items[id];
    if (!item) return;
    $("palette").setAttribute("aria-activedescendant", item.row.id);
    $("chosen").querySelector("i").style.background = item.colour;
    $("chosen").querySelector("span").textContent = item.name;
    const [list, row] = [$("palette"), item.row];
    if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
    else if (row.offsetTop + row.offsetHeight > list.scrollTop + list.clientHeight) {
      list.scrollTop = row.offsetTop + row.offsetHeight - list.clientHeight;
    }
  }

  get shown() { return this.items.filter((item) => !item.row.hidden); }

  filter() {
    const words = $("search").value.trim().toLowerCase().split(/\s+/);
    for (const item of this.items) {
      const found = words.every((word) => item.name.toLowerCase().includes(word));
      item.row.hidden = !found || ($("used").checked && !item.used);
    }
    const text = $("search").value.trim();
    tell("no-class", this.shown.length ? "" : text ? `No class is called “${text}”.` : "None.");
  }

  take(id) {
    this.mark(id);
    this.chosen(id);
  }

  // Takes the class at a place of what is shown, if there is one.
  takeShown(place) {
    const item = this.shown[place];
    if (item) this.take(item.id);
  }

  searchKey(event) {
    if (event.key === "Enter" && this.shown.length) {
      const exact = this.shown.find((item) => item.name.toLowerCase() === $("search").value.trim().toLowerCase());
      this.take((exact ?? this.shown[0]).id);
      $("search").value = "";
      this.filter();
      this.mark(this.id);
      $("condition").focus();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      $("palette").focus();
      if (this.shown.length) this.take(this.shown[0].id);
    } else if (event.key === "Escape") {
      $("search").value = "";
      this.filter();
      $("condition").focus();
    }
  }

  key(event) {
    const shown = this.shown;
    if (!shown.length) return;
    const at = shown.findIndex((item) => item.id === this.id);
    const last = shown.length - 1;
    const next = {
      ArrowDown: Math.min(last, at + 1), ArrowUp: Math.max(0, at - 1), Home: 0, End: last,
      PageDown: Math.min(last, at + 10), PageUp: Math.max(0, at - 10),
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.take(shown[next].id);
  }
}
