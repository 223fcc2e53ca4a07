// Two viewers in step, and the dialog that chooses what to compare with.

import { debounced, make } from "../app/dom.js";
import { openDialog } from "../app/keys.js";
import { emptyQuery, searchAll } from "../list/query.js";

const SHARED = ["t", "yaw", "pitch", "fov", "playing", "speed", "loop", "mode"];
const CLOSE = { t: 0.08, yaw: 0.05, pitch: 0.05, fov: 0.05 };
const SHOWN = 40;

/** Return the part of `state` that the other viewer must take over; null if it is in step already. */
export function difference(state, other) {
  const changes = {};
  for (const name of SHARED) {
    const [a, b] = [state[name], other[name]];
    if (a === undefined || (name === "t" && state.playing && other.playing && Math.abs(a - b) < 0.04)) continue;
    if (name in CLOSE ? !(Math.abs(a - b) <= CLOSE[name]) : a !== b) changes[name] = a;
  }
  return Object.keys(changes).length ? changes : null;
}

/** Keeps two viewers in step: what the user does to one, the other follows. */
export class Link {
  constructor() {
    this.viewers = [];
    this.following = false;
  }

  /** `viewers` are both, or none to unlink. */
  join(...viewers) {
    this.viewers = viewers;
  }

  /** Call with the viewer whose state has changed. */
  changed(viewer) {
    if (this.following || this.viewers.length !== 2 || !this.viewers.includes(viewer)) return;
    const other = this.viewers.find((one) => one !== viewer);
    const changes = difference(viewer.state(), other.state());
    if (!changes) return;
    this.following = true;
    try { other.setState(changes); } finally { this.following = false; }
  }
}

/** Ask for a clip or a run; `choose({compare, run2})` gets the answer. */
export function askWhat({ table, row, runs, run, choose }) {
  const key = table.value("key", row);
  const list = make("ul", { class: "choices", "aria-label": "Clips" });
  const find = make("input", { type: "search", placeholder: "Search a clip", "aria-label": "Search a clip to compare with", autocomplete: "off", on: { input: debounced(() => draw(), 120) } });
  const pick = (answer) => { dialog.close(); choose(answer); };
  const draw = () => {
    const { rows } = searchAll(table, { ...emptyQuery(), q: find.value });
    const others = [...rows.slice(0, SHOWN + 1)].filter((other) => other !== row).slice(0, SHOWN);
    list.replaceChildren(...others.map((other) => make("li", {}, make("button", { type: "button", on: { click: () => pick({ compare: table.value("key", other), run2: run }) } },
      make("img", { src: `clips/${other}/thumbnail.jpg`, alt: "", loading: "lazy" }),
      make("span", {}, make("b", { text: table.value("title", other) || table.value("key", other) }), make("span", { class: "faint", text: table.value("key", other) }))))));
    if (!others.length) list.append(make("li", { class: "none", text: "No clip matches." }));
  };
  const others = runs.filter((name) => name !== run);
  const dialog = make("dialog", { class: "ask", "aria-labelledby": "ask-title" },
    make("div", { class: "help-head" }, make("h2", { id: "ask-title", text: "Compare with" }),
      make("button", { class: "icon", type: "button", "aria-label": "Close", text: "✕", on: { click: () => dialog.close() } })),
    others.length ? make("div", { class: "run-choices" }, make("h3", { text: "The same clip in another run" }),
      ...others.map((name) => make("button", { type: "button", text: name, on: { click: () => pick({ compare: key, run2: name }) } }))) : null,
    find, list);
  draw();
  openDialog(dialog);
  find.focus();
}
