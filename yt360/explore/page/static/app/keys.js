// One table of keys: the only listener for keys of the page, and the source of the help.

import { make, takesText } from "./dom.js";

/** Keys, what they do and when they apply. An entry: `{keys, does, when, run}`; `when()` false skips it. */
export class Keys {
  constructor() {
    this.groups = [];
    this.overlay = null;
    document.addEventListener("keydown", (event) => this.press(event));
  }

  /** Add a titled group; `keys` are values of `KeyboardEvent.key`. `others` handles any other key. */
  add(title, entries, { shown = () => true, others = null } = {}) {
    this.groups.push({ title, entries, shown, others });
  }

  press(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return; // a dialog has keys of its own
    const typing = takesText(document.activeElement);
    for (const { entries, shown, others } of this.groups) {
      if (!shown()) continue;
      for (const { keys, when = () => true, run, typed = false } of entries) {
        if (!run || !keys.includes(event.key) || (typing && !typed) || !when(event)) continue;
        event.preventDefault();
        run(event);
        return;
      }
      if (others && !typing && !activates(event) && others(event)) {
        event.preventDefault();
        return;
      }
    }
  }

  /** Show all keys that apply now; Escape, `?` or a click beside it closes. */
  help() {
    const groups = this.groups.filter(({ shown, entries }) => shown() && entries.length);
    const dialog = make("dialog", { class: "help", "aria-labelledby": "help-title" },
      make("div", { class: "help-head" },
        make("h2", { id: "help-title", text: "Keys" }),
        make("button", { class: "icon", type: "button", "aria-label": "Close", text: "✕", on: { click: () => dialog.close() } })),
      make("div", { class: "help-groups" }, ...groups.map(({ title, entries }) =>
        make("section", {}, make("h3", { text: title }),
          make("dl", {}, ...entries.filter(({ does }) => does).map(({ keys, does }) =>
            make("div", {},
              make("dt", {}, ...shownKeys(keys)),
              make("dd", { text: does }))))))));
    dialog.addEventListener("keydown", (event) => { if (event.key === "?") { event.preventDefault(); dialog.close(); } });
    openDialog(dialog);
  }
}

/** Show a dialog over the page until it is closed; then focus goes back to where it was. */
export function openDialog(dialog) {
  const before = document.activeElement;
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** Enter and Space belong to the button, link or control that has the focus. */
function activates(event) {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return false;
  if (event.key === " " || event.key === "Enter") return focused.matches("button, a[href], input, summary, [role='button'], [role='slider']");
  return focused.matches("input[type='range'], input[type='radio']") && event.key.startsWith("Arrow");
}

const NAMES = { " ": "Space", Space: "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", PageUp: "PgUp", PageDown: "PgDn" };

/** Elements for the keys of an entry; of many, the first and the last. */
function shownKeys(keys) {
  const made = (key) => make("kbd", { text: named(key) });
  return keys.length > 4 ? [made(keys[0]), "to", made(keys.at(-1))] : keys.map(made);
}

function named(key) {
  return NAMES[key] ?? key;
}
