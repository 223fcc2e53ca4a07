// What the page shows, as the hash of its address: `#clip=KEY&t=1.5&yaw=90&q=words&filter=split:test`.

const ANGLES = ["t", "yaw", "pitch", "fov"];
const KINDS = { ":": "any", "&": "all", "=": "range" };

/**
 * Return the state that a hash describes:
 * `{clip, compare, run, run2, view: {t, yaw, pitch, fov}, query: {shelf, q, sort, filters}}`.
 *
 * `filters` is a Map from a column's name to `{any: [value…]}`, `{all: [value…]}` or `{min, max}`; each value
 * has its own `filter` entry: `split:test`, `classes&person`, `level_db=-30..-10`. What cannot be
 * read, such as an unknown column, is left out.
 */
export function parseHash(hash, columns = []) {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const view = {};
  for (const name of ANGLES) {
    const value = Number.parseFloat(values.get(name));
    if (Number.isFinite(value)) view[name] = value;
  }
  const filters = new Map();
  for (const text of values.getAll("filter")) readFilter(text, columns, filters);
  const sort = values.get("sort");
  const name = sort?.replace(/^-/, "");
  return {
    clip: values.get("clip"),
    compare: values.get("compare"),
    run: values.get("run"),
    run2: values.get("run2"),
    view,
    query: {
      shelf: values.get("shelf") === "out" ? "out" : "in",
      q: values.get("q") ?? "",
      sort: columns.some((column) => column.name === name) ? { name, descending: sort.startsWith("-") } : null,
      filters,
    },
  };
}

function readFilter(text, columns, filters) {
  for (const { name } of columns) {
    const kind = KINDS[text[name.length]];
    if (!text.startsWith(name) || !kind) continue;
    const value = text.slice(name.length + 1);
    if (kind === "range") {
      const [low, high] = value.split("..").map((part) => (part === "" ? null : Number(part)));
      if (low === undefined || high === undefined || Number.isNaN(low) || Number.isNaN(high)) continue;
      filters.set(name, { min: low, max: high });
    } else {
      const filter = filters.get(name) ?? { [kind]: [] };
      (filter[kind] ?? []).push(value);
      filters.set(name, filter);
    }
    return;
  }
}

/** Return the hash of a state, without "#"; the inverse of `parseHash`. */
export function formatHash(state) {
  const values = new URLSearchParams();
  for (const name of ["clip", "compare", "run", "run2"]) if (state[name]) values.set(name, state[name]);
  if (state.clip) {
    for (const name of ANGLES) {
      const value = state.view?.[name];
      if (Number.isFinite(value)) values.set(name, String(Number(value.toFixed(name === "t" ? 2 : 1))));
    }
  }
  for (const [name, value] of queryEntries(state.query)) values.append(name, value);
  return values.toString();
}

function queryEntries({ shelf, q, sort, filters }) {
  const entries = [];
  if (shelf === "out") entries.push(["shelf", "out"]);
  if (q) entries.push(["q", q]);
  if (sort) entries.push(["sort", (sort.descending ? "-" : "") + sort.name]);
  for (const [name, filter] of filters) {
    if (filter.any) for (const value of filter.any) entries.push(["filter", `${name}:${value}`]);
    else if (filter.all) for (const value of filter.all) entries.push(["filter", `${name}&${value}`]);
    else entries.push(["filter", `${name}=${filter.min ?? ""}..${filter.max ?? ""}`]);
  }
  return entries;
}
