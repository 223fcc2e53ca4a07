// One card of the list. Cards are reused while scrolling: `fill` gives one another clip.

import { make } from "../app/dom.js";
import { clock, count, quantity } from "../app/format.js";

const MARKS = { kept: "✓", rejected: "✕" };

export class Card {
  constructor() {
    this.row = -1;
    this.thumbnail = make("img", { alt: "", decoding: "async", draggable: "false" });
    this.strip = make("img", { class: "strip", alt: "", decoding: "async", draggable: "false" });
    for (const image of [this.thumbnail, this.strip]) {
      image.addEventListener("load", () => image.classList.add("there"));
      image.addEventListener("error", () => image.classList.remove("there"));
    }
    this.mark = make("span", { class: "mark" });
    this.length = make("span", { class: "length number" });
    this.name = make("span", { class: "name" });
    this.line = make("span", { class: "line" });
    this.tags = make("span", { class: "tags" });
    this.link = make("a", { class: "card", tabindex: "-1" },
      make("span", { class: "picture" }, this.thumbnail, this.mark, this.length),
      this.strip,
      make("span", { class: "text" }, this.name, this.line, this.tags));
    this.element = make("div", { class: "cell", role: "listitem" }, this.link);
  }

  /**
   * Show a row; `index` is its place among `found` results, `sorted` the column that orders them. A card that
   * shows the row in this `version` of the list already is left alone.
   */
  fill(table, row, { index, found, href, sorted, version }) {
    const changed = this.row !== row;
    if (!changed && this.version === version && this.index === index) return;
    this.row = row;
    this.hasPictures = table.hasPictures(row);
    this.index = index;
    this.version = version;
    this.link.setAttribute("href", href(row));
    this.element.setAttribute("aria-posinset", String(index + 1));
    this.element.setAttribute("aria-setsize", String(found));
    if (changed) this.clearPictures();
    const value = (name) => table.value(name, row);
    const key = String(value("key") ?? `clip ${row}`);
    const title = value("title") || value("video") || key;
    this.name.textContent = title;
    this.name.title = title;
    this.link.dataset.key = key;
    const start = value("start_s");
    this.line.textContent = [value("channel"), key, start === null ? null : `at ${clock(start)}`].filter(Boolean).join(" · ");
    this.length.textContent = value("duration_s") === null ? "" : clock(value("duration_s"));
    const review = value("review");
    this.mark.textContent = MARKS[review] ?? "";
    this.link.dataset.review = review ?? "";
    this.tags.replaceChildren(...tags(table, row, sorted));
  }

  /** Load the pictures of the row (not while the list flies by). */
  loadPictures() {
    if (this.row < 0 || this.shown === this.row) return;
    this.shown = this.row;
    if (!this.hasPictures) return;
    this.thumbnail.src = `clips/${this.row}/thumbnail.jpg`;
    this.strip.src = `clips/${this.row}/strip.png`;
  }

  clearPictures() {
    this.shown = -1;
    for (const image of [this.thumbnail, this.strip]) {
      image.classList.remove("there");
      image.removeAttribute("src");
    }
  }
}

/** So many scores of runs fit on a card. */
const SCORES = 2;

function tags(table, row, sorted) {
  const made = [];
  const reason = row >= table.clips ? table.value("reason", row) : null;
  if (reason) return [make("span", { class: "tag reason", text: reason, title: reason })];
  if (sorted && sorted.role !== "score" && !["title", "video", "channel", "key", "reason"].includes(sorted.name)) {
    const value = table.value(sorted.name, row);
    if (value !== null) {
      const shown = Array.isArray(value) ? count(value.length) : quantity(value, sorted.unit);
      made.push(make("span", { class: "tag sorted", text: `${sorted.title} ${shown}` }));
    }
  }
  for (const column of table.scores.filter((each, number) => number < SCORES || each === sorted)) {
    const value = column.get(row);
    if (value === null) continue;
    const name = table.scores.length > 1 ? column.name : "score";
    made.push(make("span", { class: `tag number score${column === sorted ? " sorted" : ""}`, text: `${name} ${quantity(value)}`, title: column.title }));
  }
  const split = table.value("split", row);
  if (split && sorted?.name !== "split") made.push(make("span", { class: "tag", text: split }));
  const level = table.value("level_db", row);
  if (level !== null && sorted?.name !== "level_db") {
    made.push(make("span", { class: "tag number", text: quantity(level, table.byName.get("level_db").unit || "dB"), title: "level" }));
  }
  const classes = table.value("classes", row);
  if (classes?.length && sorted?.name !== "classes") {
    made.push(make("span", { class: "tag", text: classes.length > 2 ? `${classes.slice(0, 2).join(", ")} +${classes.length - 2}` : classes.join(", "), title: classes.join(", ") }));
  }
  return made;
}
