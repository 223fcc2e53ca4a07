// What is known about a clip, as lists.

import { make } from "../app/dom.js";
import { clock, quantity } from "../app/format.js";

/** Return sections for `clip.json` and the row of the list. `seek(t)` moves to a time in the clip, `look(az, el)` turns the view. */
export function facts(clip, table, row, { seek, look }) {
  return [reason(table, row), verdicts(clip, seek), directions(clip, seek, look), numbers(clip, table, row), metadata(clip)].filter(Boolean);
}

function section(title, ...children) {
  return make("details", { class: "facts", open: true }, make("summary", {}, make("h3", { text: title })), ...children);
}

function reason(table, row) {
  if (row < table.clips) return null;
  const detail = table.value("detail", row);
  return make("p", { class: "left-out" }, make("b", { text: "Left out: " }), table.value("reason", row) ?? "no reason is known", detail ? `. ${detail}` : "");
}

function verdicts({ verdicts, reason }, seek) {
  if (!Array.isArray(verdicts)) return null;
  const list = verdicts.filter(({ name, value }) => name !== reason || value !== null); // `reason` is told above
  if (!list.length) return null;
  return section("Checks", make("ul", { class: "verdicts" }, ...list.map(({ name, value, unit, text, start_s, end_s }) =>
    make("li", {},
      make("span", { class: "what", text: name }),
      make("span", { class: "number value", text: quantity(value, unit ?? "") }),
      Number.isFinite(start_s) ? make("button", { type: "button", class: "quiet time", text: Number.isFinite(end_s) ? `${clock(start_s)}–${clock(end_s)}` : clock(start_s), on: { click: () => seek(start_s) } }) : null,
      text ? make("span", { class: "text", text }) : null))));
}

/** Consecutive directions of a source less than this apart in time are one path. */
const GAP_S = 0.01;

/** Group the directions of `clip.json` to paths, `[[first, ..., last], ...]`: one for each time that a source is there without a break. */
export function paths(list) {
  const found = [];
  for (const each of list) {
    const path = found.at(-1);
    const last = path?.at(-1);
    if (last && last.name === each.name && Math.abs(last.end_s - each.start_s) < GAP_S) path.push(each);
    else found.push([each]);
  }
  return found;
}

function directions({ directions: list }, seek, look) {
  if (!Array.isArray(list) || !list.length) return null;
  return section("Directions", make("ul", { class: "directions" }, ...paths(list).map((path) => {
    const { name, azimuth_deg, elevation_deg, start_s } = path[0];
    const ends = path.length > 1 ? [path[0], path.at(-1)] : [path[0]];
    return make("li", {}, make("button", { type: "button", class: "quiet", title: "Azimuth · elevation, at the start → at the end. Click to look there", on: { click: () => { look(azimuth_deg, elevation_deg); if (Number.isFinite(start_s)) seek(start_s); } } },
      make("span", { class: "what", text: start_s > 0 ? `${name}, from ${clock(start_s)}` : name }),
      make("span", { class: "number", text: ends.map(place).join(" → ") })));
  })));
}

function place({ azimuth_deg, elevation_deg }) {
  return `${quantity(Math.round(azimuth_deg), "°")} · ${quantity(Math.round(elevation_deg), "°")}`;
}

/** Columns that are told elsewhere on the page. */
const TOLD = new Set(["key", "title", "state", "reason", "detail", "review"]);

function numbers(clip, table, row) {
  const rows = [];
  for (const column of table.columns) {
    if (TOLD.has(column.name)) continue;
    const value = column.get(row);
    if (value === null || (Array.isArray(value) && !value.length)) continue;
    rows.push([column.title, Array.isArray(value) ? value.join(", ") : quantity(value, column.unit)]);
  }
  if (clip.width) rows.push(["Frame", `${clip.width} × ${clip.height}`]);
  if (clip.sample_rate) rows.push(["Sample rate", quantity(clip.sample_rate, "Hz")]);
  return rows.length ? section("Clip", pairs(rows)) : null;
}

function metadata({ metadata: values, url }) {
  const rows = [...flat(values ?? {})];
  const link = /^https?:\/\//.test(url ?? "") ? make("p", { class: "source" }, make("a", { href: url, rel: "noopener noreferrer", target: "_blank", text: url })) : null;
  if (!rows.length && !link) return null;
  const made = section("Metadata", link, rows.length ? pairs(rows) : null);
  made.open = rows.length <= 8;
  return made;
}

/** Yield the values of nested objects with their paths, such as "camera.lens". */
function* flat(values, path = "") {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === "") continue;
    if (typeof value === "object" && !Array.isArray(value)) yield* flat(value, `${path}${name}.`);
    else yield [path + name, typeof value === "string" ? value : typeof value === "number" ? quantity(value) : JSON.stringify(value)];
  }
}

function pairs(rows) {
  return make("dl", { class: "pairs" }, ...rows.map(([name, value]) => make("div", {}, make("dt", { text: name }), make("dd", { text: value }))));
}
