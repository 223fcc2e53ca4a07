// The panel of filters, made from the columns of the list.

import { drawn, make } from "../app/dom.js";
import { count, quantity } from "../app/format.js";
import { BINS } from "./query.js";

/** So many values of a category are shown before "Show all"; beyond, a field searches among them. */
const SHOWN = 8;
const HIDDEN_COLUMNS = new Set(["key", "state", "title"]);

/** Order of the panel: what people look for first. */
const FIRST = ["review", "reason", "split", "score", "classes", "channel", "duration_s", "level_db"];

export class Filters {
  /** `change(name, filter)` is called with a filter, or null to lift it. */
  constructor(element, { change }) {
    this.element = element;
    this.change = change;
    this.sections = new Map();
  }

  /** Build a section for each column that can be filtered. */
  build(table) {
    const order = (column) => { const place = FIRST.indexOf(column.role || column.name); return place < 0 ? FIRST.length : place; };
    const columns = table.columns.filter(({ name, type }) => type !== "text" && !HIDDEN_COLUMNS.has(name));
    columns.sort((a, b) => order(a) - order(b));
    this.sections.clear();
    for (const column of columns) {
      const make_ = column.type === "number" ? NumberFilter : ValueFilter;
      this.sections.set(column.name, new make_(column, (filter) => this.change(column.name, filter)));
    }
    this.element.replaceChildren(
      make("div", { class: "filters-head" }, make("h2", { text: "Filters" }),
        (this.clear = make("button", { type: "button", class: "quiet", text: "Clear all", on: { click: () => this.change(null, null) } }))),
      ...[...this.sections.values()].map(({ element }) => element));
  }

  /** Show the counts of a result and which filters are set. */
  update(query, { facets }) {
    this.clear.disabled = query.filters.size === 0;
    for (const [name, section] of this.sections) section.update(query.filters.get(name) ?? null, facets.get(name), query.shelf);
  }
}

/** Check boxes for the values of a category or a set. */
class ValueFilter {
  constructor(column, change) {
    this.column = column;
    this.change = change;
    this.all = false;
    this.needle = "";
    this.expanded = false;
    this.boxes = new Map();
    this.list = make("ul", { class: "values" });
    this.find = make("input", { type: "text", class: "find", "aria-label": `Find a value of ${column.title}`, autocomplete: "off", on: { input: () => { this.needle = this.find.value.trim().toLowerCase(); this.draw(); } } });
    this.more = make("button", { type: "button", class: "quiet more", on: { click: () => { this.expanded = !this.expanded; this.draw(); } } });
    this.mode = column.type === "set"
      ? make("button", { type: "button", class: "quiet mode", text: "any", "aria-pressed": "false", "aria-label": `${column.title}: a clip must have all chosen values`, title: "any of the chosen values, or all of them", on: { click: () => this.switchMode() } })
      : null;
    this.element = make("details", { class: "filter", open: true, data: { column: column.name } },
      make("summary", {}, make("span", { text: column.title })),
      this.mode && make("p", { class: "mode-line" }, "with ", this.mode, " of these"),
      this.find, this.list, this.more);
  }

  chosen() {
    return this.filter?.any ?? this.filter?.all ?? [];
  }

  switchMode() {
    this.all = !this.all;
    if (this.chosen().length) this.change(this.made(this.chosen()));
    else this.draw();
  }

  made(values) {
    if (!values.length) return null;
    return this.all ? { all: values } : { any: values };
  }

  toggle(value, on) {
    const values = this.chosen().filter((other) => other !== value);
    if (on) values.push(value);
    this.change(this.made(values));
  }

  update(filter, counts, shelf) {
    this.filter = filter;
    if (filter) this.all = Boolean(filter.all);
    this.counts = counts;
    this.element.hidden = this.column.known === 0 || (this.column.name === "reason" && shelf !== "out");
    this.draw();
  }

  draw() {
    const { values } = this.column;
    const chosen = new Set(this.chosen());
    const counts = this.counts ?? [];
    const codes = values.map((_, code) => code).filter((code) => chosen.has(values[code]) || counts[code] > 0 || values.length <= SHOWN);
    codes.sort((a, b) => chosen.has(values[b]) - chosen.has(values[a]) || (counts[b] ?? 0) - (counts[a] ?? 0) || a - b);
    const matching = this.needle ? codes.filter((code) => values[code].toLowerCase().includes(this.needle)) : codes;
    const limit = this.needle ? 60 : this.expanded ? 200 : SHOWN;
    const shown = matching.slice(0, Math.max(limit, this.needle ? 0 : chosen.size));
    const focused = document.activeElement?.closest?.("li")?.dataset.value;
    const most = Math.max(1, ...shown.map((code) => counts[code] ?? 0));
    this.list.replaceChildren(...shown.map((code) => this.item(values[code], counts[code] ?? 0, chosen.has(values[code]), most)));
    if (focused !== undefined && !this.element.contains(document.activeElement)) {
      for (const item of this.list.children) if (item.dataset.value === focused && item.dataset.column === this.column.name) item.querySelector("input").focus({ preventScroll: true });
    }
    this.find.placeholder = `Find among ${count(values.length)}`;
    this.find.hidden = values.length <= 2 * SHOWN;
    this.more.hidden = Boolean(this.needle) || codes.length <= SHOWN;
    this.more.textContent = this.expanded ? "Show fewer" : `Show ${count(Math.min(200, codes.length))}`;
    if (this.mode) {
      this.mode.textContent = this.all ? "all" : "any";
      this.mode.setAttribute("aria-pressed", String(this.all));
    }
  }

  item(value, number, checked, most) {
    const box = make("input", { type: "checkbox", on: { change: () => this.toggle(value, box.checked) } });
    box.checked = checked;
    const bar = make("span", { class: "share", "aria-hidden": "true" });
    bar.style.width = `${Math.round((100 * number) / most)}%`;
    return make("li", { class: number || checked ? "" : "none", data: { value, column: this.column.name } },
      make("label", {}, box, make("span", { class: "value", text: value || "(none)", title: value }), make("span", { class: "count number", text: count(number) }), bar));
  }
}

/** A histogram and two fields for a range of numbers. */
class NumberFilter {
  constructor(column, change) {
    this.column = column;
    this.change = change;
    this.bars = Array.from({ length: BINS }, (_, i) => drawn("rect", { x: i, width: 0.86, y: 10, height: 0 }));
    this.histogram = drawn("svg", { class: "histogram", viewBox: `0 0 ${BINS} 10`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...this.bars);
    this.low = this.field("from");
    this.high = this.field("to");
    this.element = make("details", { class: "filter number-filter", open: true, data: { column: column.name } },
      make("summary", {}, make("span", { text: column.title }), make("span", { class: "unit", text: column.unit })),
      this.histogram,
      make("div", { class: "range" }, this.low, make("span", { text: "–", "aria-hidden": "true" }), this.high));
    this.histogram.addEventListener("pointerdown", (event) => this.drag(event));
  }

  field(name) {
    return make("input", { type: "text", inputmode: "decimal", class: "number", "aria-label": `${this.column.title} ${name}`, on: {
      change: () => this.apply(number(this.low.value), number(this.high.value)),
      keydown: (event) => { if (event.key === "Enter") event.target.blur(); },
    } });
  }

  apply(min, max) {
    this.change(min === null && max === null ? null : { min, max });
  }

  /** Choose a range by dragging over the histogram; a click without a drag lifts it. */
  drag(event) {
    event.preventDefault();
    const box = this.histogram.getBoundingClientRect();
    const at = ({ clientX }) => Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    const from = at(event);
    const range = (to) => {
      const { min, max } = this.column;
      const edge = (share, round) => min + (round(share * BINS) / BINS) * (max - min);
      return [tidy(edge(Math.min(from, to), Math.floor)), tidy(edge(Math.max(from, to), Math.ceil))];
    };
    this.histogram.setPointerCapture(event.pointerId);
    const move = (next) => this.mark(...range(at(next)));
    const end = (last) => {
      this.histogram.removeEventListener("pointermove", move);
      this.histogram.removeEventListener("pointerup", end);
      if (Math.abs(at(last) - from) < 0.01) this.apply(null, null);
      else this.apply(...range(at(last)));
    };
    this.histogram.addEventListener("pointermove", move);
    this.histogram.addEventListener("pointerup", end);
  }

  update(filter, counts, shelf) {
    const { min, max, known } = this.column;
    this.element.hidden = known === 0 || min === max;
    const most = Math.max(1, ...(counts ?? []));
    this.bars.forEach((bar, i) => {
      const share = counts?.[i] ? Math.max(0.06, counts[i] / most) : 0;
      bar.setAttribute("y", String(10 - 10 * share));
      bar.setAttribute("height", String(10 * share));
    });
    this.low.placeholder = Number.isFinite(min) ? quantity(min) : "";
    this.high.placeholder = Number.isFinite(max) ? quantity(max) : "";
    this.low.value = filter?.min ?? "";
    this.high.value = filter?.max ?? "";
    this.mark(filter?.min ?? null, filter?.max ?? null);
    this.element.dataset.shelf = shelf;
  }

  mark(low, high) {
    const { min, max } = this.column;
    this.bars.forEach((bar, i) => {
      const [left, right] = [min + (i / BINS) * (max - min), min + ((i + 1) / BINS) * (max - min)];
      bar.classList.toggle("outside", (low !== null && right <= low) || (high !== null && left >= high));
    });
  }
}

function number(text) {
  const value = Number(text.trim().replace(",", ".").replace("−", "-"));
  return text.trim() === "" || Number.isNaN(value) ? null : value;
}

function tidy(value) {
  return Number(value.toPrecision(4));
}
