// The review of one clip: what was decided and by whom, and buttons to decide.

import { announce, make } from "../app/dom.js";
import { moment, quantity } from "../app/format.js";
import { summary } from "./decisions.js";

const DONE = { keep: "kept it", reject: "rejected it", layout: "set the audio layout to", orientation: "set the front to", note: "noted", undo: "took back a decision" };

export class ReviewPanel {
  /** `yaw()` is the azimuth in degrees where the user looks now. */
  constructor({ review, layouts = [], yaw }) {
    this.review = review;
    this.yaw = yaw;
    this.key = null;
    this.refused = null;
    const button = (action, text, key) => make("button", { type: "button", class: `decide ${action}`, "aria-pressed": "false", "aria-keyshortcuts": key, on: { click: () => this.decide(action) } },
      make("span", { text }), make("kbd", { text: key, "aria-hidden": "true" }));
    this.keep = button("keep", "Keep", "y");
    this.reject = button("reject", "Reject", "x");
    this.front = make("button", { type: "button", "aria-keyshortcuts": "o", title: "The direction in the middle of the view becomes the front (o)", text: "Front = here", on: { click: () => this.decide("orientation") } });
    this.undo = make("button", { type: "button", "aria-keyshortcuts": "u", title: "Take back the last decision about this clip (u)", text: "Undo", on: { click: () => this.undoLast() } });
    this.layout = make("select", { "aria-label": "Audio layout", on: { change: () => { if (this.layout.value) this.decide("layout"); } } },
      make("option", { value: "", text: "Layout…" }), ...layouts.map((name) => make("option", { value: name, text: name })));
    this.layout.hidden = layouts.length === 0;
    this.note = make("textarea", { rows: "2", maxlength: "2000", placeholder: "Note  ( n )", "aria-label": "Note", on: {
      keydown: (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.decide("note"); }
        if (event.key === "Escape") { event.stopPropagation(); event.preventDefault(); this.note.blur(); }
      },
      input: () => this.update(),
    } });
    this.save = make("button", { type: "button", text: "Save note", on: { click: () => this.decide("note") } });
    this.who = make("input", { type: "text", maxlength: "100", autocomplete: "name", "aria-label": "Your name", placeholder: "Your name", on: { change: () => { review.who = this.who.value.trim(); } } });
    this.who.value = review.who;
    this.alert = make("div", { class: "alert", role: "alert", hidden: true });
    this.leftOut = make("p", { class: "faint", hidden: true, text: "This was left out. Keeping it does not bring back what a check rejects." });
    this.history = make("ol", { class: "history" });
    this.element = make("section", { class: "review", "aria-label": "Review" },
      make("div", { class: "verdict" }, this.keep, this.reject),
      this.leftOut, this.alert,
      make("div", { class: "fixes" }, this.front, this.layout, this.undo),
      make("div", { class: "noting" }, this.note, this.save),
      this.history,
      make("div", { class: "signed" }, make("label", {}, make("span", { text: "Signed" }), this.who),
        make("a", { href: "api/review.jsonl", download: "review.jsonl", text: "All decisions" })));
  }

  /** Show another clip; `isLeftOut`: it is not among the clips. */
  show(key, isLeftOut = false) {
    this.key = key;
    this.leftOut.hidden = !isLeftOut;
    this.refused = null;
    this.note.value = "";
    this.layout.value = "";
    this.update();
  }

  update() {
    const decisions = this.review.of(this.key);
    const { verdict, standing, conflict, orientation, layout } = summary(decisions);
    this.keep.setAttribute("aria-pressed", String(verdict?.action === "keep"));
    this.reject.setAttribute("aria-pressed", String(verdict?.action === "reject"));
    this.undo.disabled = standing.length === 0;
    this.save.disabled = this.note.value.trim() === "";
    this.front.setAttribute("aria-pressed", String(orientation !== null));
    this.layout.value = layout?.value ?? "";
    this.history.replaceChildren(...decisions.filter(({ action }) => action !== "undo").slice(-30).reverse().map((decision) => this.entry(decision)));
    this.showAlert(conflict);
  }

  entry(decision) {
    const { who, when, action, value, note, undone } = decision;
    const shown = action === "orientation" ? quantity(Number(value), "°") : action === "layout" ? String(value) : "";
    return make("li", { class: undone ? `undone ${action}` : action },
      make("p", {}, make("b", { text: who || "somebody" }), ` ${DONE[action] ?? action} `, shown ? make("b", { text: shown }) : null,
        undone ? make("span", { class: "state", text: "(undone)" }) : null),
      note ? make("p", { class: "said", text: note }) : null,
      make("p", { class: "when" }, moment(when),
        undone ? null : make("button", { type: "button", class: "quiet", text: "Undo", "aria-label": `Undo: ${who} ${DONE[action] ?? action} ${shown}`, on: { click: () => this.send("undo", { id: decision.id }) } })));
  }

  showAlert(conflict) {
    const parts = [];
    if (this.refused) {
      const { action, options, message, newer } = this.refused;
      parts.push(make("p", { text: message ?? `${newer} decided about this clip while you looked at it. Your decision was not stored.` }));
      if (!message) {
        parts.push(make("div", { class: "answers" },
          make("button", { type: "button", text: "Store mine too", on: { click: () => this.send(action, options) } }),
          make("button", { type: "button", text: "Leave it", on: { click: () => { this.refused = null; this.update(); } } })));
      }
    } else if (conflict) {
      parts.push(make("p", { text: `People disagree: ${conflict.map(({ who, action }) => `${who || "somebody"} ${DONE[action]}`).join(", ")}. The last decision counts.` }));
    }
    this.alert.hidden = parts.length === 0;
    this.alert.replaceChildren(...parts);
  }

  /** Decide about the clip that is shown. */
  decide(action) {
    if (!this.signed()) return Promise.resolve();
    const note = this.note.value.trim();
    if (action === "note" && !note) { this.note.focus(); return Promise.resolve(); }
    const value = action === "orientation" ? Number(this.yaw().toFixed(1)) : action === "layout" ? this.layout.value : null;
    return this.send(action, { value, note: action === "note" || action === "reject" || action === "keep" ? note : "" });
  }

  undoLast() {
    const last = summary(this.review.of(this.key)).standing.at(-1);
    return last ? this.send("undo", { id: last.id }) : Promise.resolve();
  }

  /** The name is asked for once; without one, the cursor goes to its field. */
  signed() {
    if (this.who.value.trim()) {
      if (this.review.who !== this.who.value.trim()) this.review.who = this.who.value.trim();
      return true;
    }
    this.refused = { message: "Type your name first: decisions say who made them." };
    this.update();
    this.who.focus();
    return false;
  }

  async send(action, options = {}) {
    const { key } = this;
    this.refused = null;
    try {
      const { decision, conflict } = await this.review.decide(key, action, options);
      if (conflict && key === this.key) {
        this.refused = { action, options, newer: conflict.at(-1)?.who || "Somebody else" };
      } else if (decision) {
        if (key === this.key && options.note) this.note.value = "";
        announce(action === "undo" ? "Undone" : `Stored: ${action}`);
      }
    } catch (error) {
      if (key === this.key) this.refused = { message: `Not stored. ${error.message}` };
    }
    if (key === this.key) this.update();
  }
}
