// The list of clips, column by column, as the chunks of `api/clips/` bring it. No access to the page.

const SEARCHED = new Set(["text", "category", "set"]);

/**
 * One column of the list. Storage by type: "number" a Float64Array (NaN unknown), "category" an
 * Int32Array of positions in `values` (-1 unknown), "set" an array of arrays of positions, and "text" an
 * array of strings ("" unknown).
 */
export class Column {
  constructor({ name, title, type, unit, values, role }, length) {
    this.name = String(name);
    this.title = String(title ?? name);
    this.type = ["number", "category", "set"].includes(type) ? type : "text";
    this.unit = unit ? String(unit) : "";
    this.role = role ? String(role) : "";
    this.values = (values ?? []).map(String);
    this.codes = new Map(this.values.map((value, code) => [value, code]));
    this.min = Infinity;
    this.max = -Infinity;
    this.known = 0;
    if (this.type === "number") this.data = new Float64Array(length).fill(NaN);
    else if (this.type === "category") this.data = new Int32Array(length).fill(-1);
    else this.data = new Array(length).fill(this.type === "set" ? null : "");
  }

  /** Set the value of a row; what does not fit the type stays unknown. */
  set(row, value) {
    if (value === null || value === undefined) return;
    if (this.type === "number") {
      if (typeof value !== "number" || !Number.isFinite(value)) return;
      if (value < this.min) this.min = value;
      if (value > this.max) this.max = value;
      this.data[row] = value;
    } else if (this.type === "category") {
      this.data[row] = this.code(value);
    } else if (this.type === "set") {
      this.data[row] = Array.isArray(value) ? value.map((item) => this.code(item)).filter((code) => code >= 0) : null;
    } else {
      this.data[row] = typeof value === "string" ? value : JSON.stringify(value);
    }
    this.known += 1;
  }

  /** Return the position of a value (or check a position); new texts are appended. */
  code(value) {
    if (Number.isInteger(value)) return value >= 0 && value < this.values.length ? value : -1;
    const text = String(value);
    let code = this.codes.get(text);
    if (code === undefined) {
      code = this.values.push(text) - 1;
      this.codes.set(text, code);
    }
    return code;
  }

  /** Return the value of a row: number, text, list of texts, or null where unknown. */
  get(row) {
    const value = this.data[row];
    if (this.type === "number") return Number.isNaN(value) ? null : value;
    if (this.type === "category") return value < 0 ? null : this.values[value];
    if (this.type === "set") return value && value.map((code) => this.values[code]);
    return value || null;
  }
}

/** The whole list. Rows [0, clips) are clips, rows [clips, length) were left out. */
export class Table {
  constructor({ kind, clips = 0, rejected = 0, columns = [] }) {
    this.kind = kind;
    this.clips = clips;
    this.length = clips + rejected;
    this.loaded = 0;
    this.columns = columns.map((column) => new Column(column, this.length));
    this.byName = new Map(this.columns.map((column) => [column.name, column]));
    this.scores = this.columns.filter(({ role, type }) => role === "score" && type === "number");
    this.keys = new Map();
    this.indexed = 0;
  }

  /** Append rows of a chunk, `{name: [value, …]}`. */
  append(chunk) {
    const lists = this.columns.map((column) => (Array.isArray(chunk[column.name]) ? chunk[column.name] : []));
    const rows = Math.min(Math.max(0, ...lists.map((list) => list.length)), this.length - this.loaded);
    this.columns.forEach((column, number) => {
      const list = lists[number];
      for (let i = 0; i < Math.min(rows, list.length); i += 1) column.set(this.loaded + i, list[i]);
    });
    this.loaded += rows;
    return rows;
  }

  /** Add a column that the page computes itself. */
  addColumn(description) {
    const column = new Column(description, this.length);
    this.columns.push(column);
    this.byName.set(column.name, column);
    return column;
  }

  value(name, row) {
    return this.byName.get(name)?.get(row) ?? null;
  }

  /** Return whether a row may have a thumbnail: what a dataset left out has no media. */
  hasPictures(row) {
    return row < this.clips || this.kind !== "dataset";
  }

  /** Return the row of a key, or -1; the first one where a key is there twice. */
  rowOf(key) {
    const column = this.byName.get("key");
    if (!column) return -1;
    for (; this.indexed < this.loaded; this.indexed += 1) {
      const found = column.get(this.indexed);
      if (!this.keys.has(found)) this.keys.set(found, this.indexed);
    }
    return this.keys.get(key) ?? -1;
  }

  /** Columns that a search looks into. */
  searched() {
    return this.columns.filter(({ type, name }) => SEARCHED.has(type) && name !== "state");
  }
}
