// The list: loads the chunks, runs queries without stopping the page, and keeps bar, filters and cards in step.

import { announce } from "../app/dom.js";
import { count } from "../app/format.js";
import { Bar } from "./bar.js";
import { CardGrid } from "./cards.js";
import { Filters } from "./filters.js";
import { search } from "./query.js";
import { Table } from "./table.js";

const PARALLEL = 3;
/** A query works so long before it lets the page draw and answer. */
const SLICE_MS = 12;

export class ClipList {
  /** `onQuery(query)`: the user asks for something else; `onResult()`: rows are shown; `href(row)`: address of a clip. */
  constructor({ elements, onQuery, onResult, href }) {
    this.onResult = onResult;
    this.query = null;
    this.result = { rows: new Uint32Array(0), facets: new Map(), total: 0 };
    this.running = 0;
    this.bar = new Bar(elements.bar, { change: onQuery });
    this.filters = new Filters(elements.filters, { change: (name, filter) => onQuery(withFilter(this.query, name, filter)) });
    this.grid = new CardGrid(elements.cards, { href });
  }

  /** Start with what `site.json` says; `extra` columns are the page's own. */
  start(site, extra = []) {
    this.table = new Table(site);
    for (const description of extra) this.table.addColumn(description);
    this.bar.build(this.table);
    this.filters.build(this.table);
  }

  /** Load all chunks in order; results come in while they load. `onRows(from, to)` after each. */
  async load(site, { get, onRows = () => {} }) {
    const chunks = Math.ceil(this.table.length / (site.chunk || 10_000));
    const waiting = [];
    let next = 0;
    const request = () => { if (next < chunks) { waiting.push(get(`api/clips/${next}.json`)); next += 1; } };
    for (let i = 0; i < PARALLEL; i += 1) request();
    let shown = 0;
    while (waiting.length) {
      const chunk = await waiting.shift();
      request();
      const from = this.table.loaded;
      this.table.append(chunk);
      onRows(from, this.table.loaded);
      if (performance.now() - shown > 700 || !waiting.length) {
        await this.run(this.query, { keepPlace: from > 0 });
        shown = performance.now();
      }
    }
    if (this.table.loaded < this.table.length) this.table.length = this.table.loaded;
    await this.run(this.query, { keepPlace: true });
  }

  /** Run a query; a later call supersedes one that is not ready. Resolves to whether it was shown. */
  async run(query, { keepPlace = false, quiet = true } = {}) {
    this.query = query;
    this.running += 1;
    const mine = this.running;
    if (!this.table) return false;
    const steps = search(this.table, query);
    let since = performance.now();
    for (;;) {
      const { done, value } = steps.next();
      if (done) { this.result = value; break; }
      if (performance.now() - since < SLICE_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      if (mine !== this.running) return false;
      since = performance.now();
    }
    this.bar.update(query, this.result);
    this.filters.update(query, this.result);
    const loading = this.table.loaded < this.table.length;
    this.grid.show(this.table, this.result.rows, {
      sorted: query.sort && this.table.byName.get(query.sort.name),
      keepPlace,
      message: loading ? "Loading…" : emptyMessage(query, this.table),
    });
    if (!quiet) announce(`${count(this.result.rows.length)} clips`);
    this.onResult();
    return true;
  }

  /** Place of a row among the results, or -1. */
  placeOf(row) {
    return this.result.rows.indexOf(row);
  }
}

function emptyMessage(query, table) {
  if (query.q || query.filters.size) return "No clip passes these filters. Remove one above, or clear them all.";
  if (!table.length) return "There are no clips here.";
  return query.shelf === "out" ? "Nothing is left out." : "There are no clips yet. What there is, and why it is not among the clips, is under Left out.";
}

function withFilter(query, name, filter) {
  const filters = name === null ? new Map() : new Map(query.filters);
  if (filter) filters.set(name, filter);
  else filters.delete(name);
  return { ...query, filters };
}
