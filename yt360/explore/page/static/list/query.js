// Filtering, searching, sorting and counting the list. Pure: from a table and a query to rows.

export const BINS = 32;

/** Return a query that lets everything through. */
export function emptyQuery() {
  return { shelf: "in", q: "", sort: null, filters: new Map() };
}

/** Return whether a query leaves something out (its shelf aside). */
export function isNarrow({ q, filters }) {
  return q.trim() !== "" || filters.size > 0;
}

/**
 * Yield now and then (so that the caller can let the page breathe); return `{rows, facets, total}`.
 *
 * `rows` is a Uint32Array in the order of the query. `facets` maps names of columns to counts: by value for
 * categories and sets, by bin (`BINS` of them from the column's least to greatest value) for numbers. A
 * column's counts ignore its own filter, so they say what another choice would bring. `total` is the
 * number of rows of the shelf.
 */
export function* search(table, query, slice = 50_000) {
  const [from, to] = query.shelf === "out" ? [Math.min(table.clips, table.loaded), table.loaded] : [0, Math.min(table.clips, table.loaded)];
  const filters = [...query.filters].flatMap(([name, filter]) => {
    const column = table.byName.get(name);
    return column ? [{ column, passes: test(column, filter) }] : [];
  });
  const matches = textTest(table, query.q);
  const counters = table.columns.filter(({ type }) => type !== "text").map((column) => counter(column));
  const position = new Map(counters.map(({ name }, number) => [name, number]));
  const owner = filters.map(({ column }) => position.get(column.name) ?? -1);
  const rows = new Uint32Array(Math.max(0, to - from));
  let found = 0;
  for (let start = from; start < to; start += slice) {
    for (let row = start; row < Math.min(start + slice, to); row += 1) {
      let failed = -1;
      let failures = 0;
      for (let i = 0; i < filters.length && failures < 2; i += 1) {
        if (!filters[i].passes(row)) { failures += 1; failed = i; }
      }
      if (failures > 1 || !matches(row)) continue;
      if (failures === 0) {
        rows[found] = row;
        found += 1;
        for (let i = 0; i < counters.length; i += 1) counters[i].add(row);
      } else if (owner[failed] >= 0) {
        counters[owner[failed]].add(row);
      }
    }
    yield found;
  }
  const result = rows.slice(0, found);
  if (query.sort) sortRows(table.byName.get(query.sort.name), result, query.sort.descending);
  return { rows: result, facets: new Map(counters.map(({ name, counts }) => [name, counts])), total: to - from };
}

/** Return what `search` returns, at once. */
export function searchAll(table, query) {
  const steps = search(table, query);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Return a test of rows for one filter; unknown values pass no filter. */
function test(column, filter) {
  const { data } = column;
  if (column.type === "number") {
    const low = filter.min ?? -Infinity;
    const high = filter.max ?? Infinity;
    return (row) => data[row] >= low && data[row] <= high;
  }
  const wanted = new Set((filter.any ?? filter.all ?? []).map((value) => column.codes.get(value) ?? -2));
  if (column.type === "category") return (row) => wanted.has(data[row]);
  if (column.type === "set") {
    if (filter.all) return (row) => data[row] !== null && [...wanted].every((code) => data[row].includes(code));
    return (row) => data[row] !== null && data[row].some((code) => wanted.has(code));
  }
  const texts = new Set(filter.any ?? filter.all ?? []);
  return (row) => texts.has(data[row]);
}

/** Return a test of rows: every word of `q` is in a text, category or set of the row. */
function textTest(table, q) {
  const words = q.trim().split(/\s+/).filter(Boolean);
  if (!words.length) return () => true;
  const columns = table.searched();
  const tests = words.map((word) => {
    const pattern = new RegExp(word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"), "i");
    const coded = columns.filter(({ type }) => type !== "text").map((column) => {
      const codes = new Set();
      column.values.forEach((value, code) => { if (pattern.test(value)) codes.add(code); });
      return { data: column.data, codes, isSet: column.type === "set" };
    }).filter(({ codes }) => codes.size);
    const texts = columns.filter(({ type }) => type === "text").map(({ data }) => data);
    return (row) =>
      coded.some(({ data, codes, isSet }) => (isSet ? data[row]?.some((code) => codes.has(code)) : codes.has(data[row]))) ||
      texts.some((data) => data[row] !== "" && pattern.test(data[row]));
  });
  return (row) => tests.every((matches) => matches(row));
}

function counter(column) {
  const { data, type, name } = column;
  if (type === "number") {
    const counts = new Uint32Array(BINS);
    const scale = column.max > column.min ? BINS / (column.max - column.min) : 0;
    return { name, counts, add(row) {
      const value = data[row];
      if (value === value) counts[Math.min(BINS - 1, Math.floor((value - column.min) * scale))] += 1;
    } };
  }
  const counts = new Uint32Array(column.values.length);
  if (type === "category") return { name, counts, add(row) { if (data[row] >= 0) counts[data[row]] += 1; } };
  return { name, counts, add(row) { if (data[row]) for (const code of data[row]) counts[code] += 1; } };
}

/** Sort rows in place by a column; unknown values come last either way, equal ones keep the list's order. */
export function sortRows(column, rows, descending) {
  if (!column) return;
  const keys = column.type === "number" ? column.data : ranks(column, rows);
  const sign = descending ? -1 : 1;
  rows.sort((a, b) => {
    const [x, y] = [keys[a], keys[b]];
    if (x < y) return -sign;
    if (x > y) return sign;
    if (x === y) return a - b;
    const known = (x === x) - (y === y);
    return known ? -known : a - b;
  });
}

/** Return a number for each row that orders as its texts do; NaN where unknown. */
function ranks(column, rows) {
  const order = new Map();
  const text = (row) => {
    const value = column.get(row);
    return value === null ? null : Array.isArray(value) ? value.join(" ") : value;
  };
  const texts = new Set();
  for (const row of rows) {
    const value = text(row);
    if (value !== null) texts.add(value);
  }
  const sorted = [...texts];
  if (sorted.length > 50_000) sorted.sort();
  else sorted.sort(new Intl.Collator("en", { numeric: true }).compare);
  sorted.forEach((value, number) => order.set(value, number));
  const keys = new Float64Array(column.data.length).fill(NaN);
  for (const row of rows) {
    const value = text(row);
    if (value !== null) keys[row] = order.get(value);
  }
  return keys;
}
