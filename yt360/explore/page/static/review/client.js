// Decisions on the server: loading, adding, undoing, and noticing what others decide meanwhile.

import { byKey, summary } from "./decisions.js";

const POLL_MS = 10_000;
const STORED = "explore-who";

export class Review {
  /** `fetch` as in browsers; `changed(keys)` is called with the keys whose decisions are not what they were. */
  constructor({ fetch = (...values) => globalThis.fetch(...values), changed = () => {}, who = "" } = {}) {
    this.fetch = fetch;
    this.changed = changed;
    this.keys = new Map();
    this.version = undefined;
    this.posts = 0;
    this.fallback = who;
  }

  /** Name to sign with: what the user typed last, else what the server proposes. */
  get who() {
    try { return localStorage.getItem(STORED) || this.fallback; } catch { return this.fallback; }
  }

  set who(name) {
    this.fallback = name;
    try { localStorage.setItem(STORED, name); } catch { /* storage is off: the name lasts until a reload */ }
  }

  of(key) {
    return this.keys.get(key) ?? [];
  }

  /** Load all decisions. */
  async load() {
    const { posts } = this;
    const answer = await this.fetch("api/review", { cache: "no-cache" });
    if (!answer.ok) throw new Error(`decisions: ${answer.status}`);
    const { version, decisions } = await answer.json();
    if (posts !== this.posts) return; // a decision of this page was stored meanwhile: this answer may lack it
    if (version !== undefined && version === this.version) return;
    this.version = version;
    const before = this.keys;
    this.keys = byKey(decisions);
    const touched = [...new Set([...before.keys(), ...this.keys.keys()])].filter((key) => !same(before.get(key), this.keys.get(key)));
    if (touched.length) this.changed(touched);
  }

  /** Load again from time to time while the page is visible. */
  watch() {
    const again = () => { if (!document.hidden) this.load().catch(() => {}); };
    setInterval(again, POLL_MS);
    document.addEventListener("visibilitychange", again);
  }

  /**
   * Add a decision and return `{decision}`, or `{conflict: [decisions]}` when somebody decided about this clip
   * after what this page has seen. Throws an Error with the server's message otherwise.
   */
  async decide(key, action, { value = null, note = "", id = null } = {}) {
    const seen = summary(this.of(key)).newest;
    const body = { key, action, value, note, who: this.who, seen, ...(id === null ? {} : { id }) };
    const answer = await this.fetch("api/review", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Explore": "1" },
      body: JSON.stringify(body),
    });
    const content = await answer.json().catch(() => ({}));
    this.posts += 1;
    if (answer.status === 409 && Array.isArray(content.decisions)) {
      this.keys.set(key, content.decisions);
      this.version = undefined;
      this.changed([key]);
      return { conflict: content.decisions };
    }
    if (!answer.ok) throw new Error(content.message ?? `The server answered ${answer.status}.`);
    const others = this.of(key).map((decision) => (action === "undo" && decision.id === id ? { ...decision, undone: true } : decision));
    this.keys.set(key, [...others, content]);
    this.version = undefined;
    this.changed([key]);
    return { decision: content };
  }
}

function same(a = [], b = []) {
  return a.length === b.length && a.every((decision, i) => decision.id === b[i].id && Boolean(decision.undone) === Boolean(b[i].undone));
}
