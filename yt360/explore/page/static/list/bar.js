// The line above the cards: shelf, number of results, filters that are set, order.

import { make } from "../app/dom.js";
import { count, quantity } from "../app/format.js";
import { isNarrow } from "./query.js";

const UNSORTED = new Set(["state"]);

export class Bar {
  /** `change(query)` gets a new query. */
  constructor(element, { change }) {
    this.element = element;
    this.change = change;
  }

  build(table) {
    this.table = table;
    const tab = (shelf, text, number) => make("button", { type: "button", class: "tab", data: { shelf }, "aria-pressed": "false", on: { click: () => this.setShelf(shelf) } },
      make("span", { text }), make("span", { class: "number", text: count(number) }));
    const rejected = table.length - table.clips;
    this.tabs = [tab("in", "Clips", table.clips), tab("out", "Left out", rejected)];
    this.found = make("span", { class: "found number" });
    this.chips = make("ul", { class: "chips", "aria-label": "Filters that are set" });
    this.select = make("select", { "aria-label": "Sort by", on: { change: () => this.sort() } },
      make("option", { value: "", text: "As listed" }),
      ...table.columns.filter(({ name }) => !UNSORTED.has(name)).map(({ name, title }) => make("option", { value: name, text: title })));
    this.direction = make("button", { type: "button", class: "icon", on: { click: () => this.turn() } });
    this.progress = make("progress", { max: String(table.length), "aria-label": "Loading the list" });
    this.scored = make("span", { class: "scored number faint", hidden: true });
    this.element.replaceChildren(
      make("div", { class: "tabs", role: "group", "aria-label": "Shelf", hidden: rejected === 0 }, ...this.tabs),
      this.found, this.progress, this.scored, this.chips,
      make("label", { class: "order" }, make("span", { text: "Sort" }), this.select), this.direction);
  }

  setShelf(shelf) {
    const filters = new Map(this.query.filters);
    if (shelf === "in") filters.delete("reason");
    this.change({ ...this.query, filters, shelf });
  }

  sort() {
    const name = this.select.value;
    const descending = this.table.byName.get(name)?.type === "number";
    this.change({ ...this.query, sort: name ? { name, descending } : null });
  }

  turn() {
    const { sort } = this.query;
    if (sort) this.change({ ...this.query, sort: { ...sort, descending: !sort.descending } });
  }

  /** Lift a filter, or one of its values. */
  lift(name, value) {
    const filters = new Map(this.query.filters);
    const filter = filters.get(name);
    const kind = filter.any ? "any" : filter.all ? "all" : null;
    const left = kind ? filter[kind].filter((other) => other !== value) : [];
    if (left.length) filters.set(name, { [kind]: left });
    else filters.delete(name);
    this.change({ ...this.query, filters });
  }

  update(query, { rows, total }) {
    this.query = query;
    const { table } = this;
    for (const tab of this.tabs) tab.setAttribute("aria-pressed", String(tab.dataset.shelf === query.shelf));
    this.found.hidden = !isNarrow(query) && table.length > table.clips; // the shelf tells it
    const all = query.shelf === "out" ? table.length - table.clips : table.clips;
    this.found.textContent = isNarrow(query) ? `${count(rows.length)} of ${count(all)}` : `${count(total)} ${total === 1 ? "clip" : "clips"}`;
    this.progress.hidden = table.loaded >= table.length;
    this.progress.value = table.loaded;
    this.select.value = query.sort?.name ?? "";
    this.direction.disabled = !query.sort;
    this.direction.textContent = query.sort?.descending ? "↓" : "↑";
    const text = query.sort?.descending ? "Greatest first" : "Least first";
    this.direction.setAttribute("aria-label", text);
    this.direction.title = text;
    this.chips.replaceChildren(...[...query.filters].flatMap(([name, filter]) => this.chip(name, filter)),
      ...(query.q.trim() ? [this.lifted(`“${query.q.trim()}”`, () => this.change({ ...this.query, q: "" }))] : []));
  }

  /** Say how many scores are known, while they are computed. */
  showScored({ done, total, complete }) {
    this.scored.hidden = complete || done >= total;
    this.scored.textContent = `scoring ${count(done)} of ${count(total)}`;
  }

  chip(name, filter) {
    const { title, unit } = this.table.byName.get(name);
    const values = filter.any ?? filter.all;
    if (values) return values.map((value) => this.lifted(`${title}: ${value || "(none)"}`, () => this.lift(name, value)));
    const [low, high] = [quantity(filter.min, unit), quantity(filter.max, unit)];
    const text = low && high ? `${low} to ${high}` : low ? `from ${low}` : `up to ${high}`;
    return [this.lifted(`${title}: ${text}`, () => this.lift(name))];
  }

  lifted(text, lift) {
    return make("li", {}, make("button", { type: "button", class: "chip", "aria-label": `Remove ${text}`, title: text, on: { click: lift } },
      make("span", { text }), make("span", { class: "cross", "aria-hidden": "true", text: "✕" })));
  }
}
