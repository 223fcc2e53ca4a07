// The page: the address says what it shows; everything that changes it goes through `go`.

import { ClipPage } from "./clip/page.js";
import { announce, debounced, throttled } from "./app/dom.js";
import { pageKeys } from "./app/page_keys.js";
import { formatHash, parseHash } from "./app/links.js";
import { setUpTheme } from "./app/theme.js";
import { ClipList } from "./list/list.js";
import { emptyQuery } from "./list/query.js";
import { followScores } from "./list/scores.js";
import { Review } from "./review/client.js";
import { REVIEWED, reviewed } from "./review/decisions.js";

const byId = (id) => document.getElementById(id);
const REVIEW_COLUMN = { name: "review", title: "Review", type: "category", values: REVIEWED };

const loadViewer = () => import("./viewer/viewer.js");

/** Fetch JSON; the Error of a failure has the server's message. */
async function get(address) {
  const answer = await fetch(address);
  if (answer.ok) return answer.json();
  const content = await answer.json().catch(() => ({}));
  throw new Error(content.message ?? `The server answered ${answer.status} for ${address}.`);
}

class Page {
  constructor(site) {
    this.site = site;
    this.state = { clip: null, compare: null, run: null, run2: null, view: {}, query: emptyQuery() };
    this.list = new ClipList({
      elements: { bar: byId("bar"), filters: byId("filters"), cards: byId("cards") },
      onQuery: (query) => this.go({ query }),
      onResult: () => this.onResult(),
      href: (row) => `#${formatHash({ ...this.state, clip: this.list.table.value("key", row), compare: null, run2: null, view: {} })}`,
    });
    this.list.start(site, site.can_review ? [REVIEW_COLUMN] : []);
    this.review = site.can_review ? new Review({ who: site.who ?? "", changed: (keys) => this.onDecisions(keys) }) : null;
    this.clip = new ClipPage(byId("clip"), {
      site, table: this.list.table, review: this.review, get,
      go: (changes) => this.goFromClip(changes),
      moved: (now) => (now ? this.keepView() : this.keepViewSoon()),
      load: loadViewer,
    });
    this.keepViewSoon = throttled(() => this.keepView(), 600);
    this.stale = false;
    this.setUpHead();
    this.keys = pageKeys(this, byId("search"));
    addEventListener("hashchange", () => this.read());
  }

  async start() {
    document.title = `${this.site.title} · 360° clips`;
    byId("title").textContent = this.site.title;
    this.state = this.parsed();
    this.show({ keepPlace: false });
    const decisions = this.review?.load().catch((error) => announce(`Decisions could not be loaded. ${error.message}`));
    await this.list.load(this.site, { get, onRows: (from, to) => { this.fillReview(from, to); this.openWaiting(); } });
    await decisions;
    this.review?.watch();
    if (this.site.live_scores) followScores({ table: this.list.table, get, changed: (progress, number) => this.onScores(progress, number) });
    if (this.state.clip && this.clip.row < 0) this.missing();
  }

  parsed() {
    return parseHash(location.hash, this.list.table.columns);
  }

  /** The address has changed: a link, the back button, or the user. */
  read() {
    const before = this.state;
    this.state = this.parsed();
    if (location.hash === "#main" || location.hash === "#") { this.state = { ...before, clip: null }; this.write(true); }
    const sameQuery = formatHash({ query: before.query }) === formatHash({ query: this.state.query });
    this.show({ sameQuery, keepPlace: sameQuery });
    if (this.state.clip && this.list.table.rowOf(this.state.clip) < 0 && this.list.table.loaded >= this.list.table.length) this.missing();
  }

  /** Show another state and put it into the address; a new clip is a step of the browser's history. */
  go(changes) {
    const before = this.state;
    this.state = { ...before, ...changes };
    if (changes.clip !== undefined && changes.clip !== before.clip) this.state.view = changes.view ?? {};
    this.write(this.state.clip === before.clip);
    this.show({ sameQuery: !changes.query, keepPlace: !changes.query, quiet: false });
  }

  goFromClip(changes) {
    if (changes.step) this.step(changes.step);
    else if ("clip" in changes && changes.clip === null) this.closeClip();
    else this.go({ view: this.currentView(), ...changes });
  }

  write(replace) {
    const address = `#${formatHash(this.state)}`;
    if (address === (location.hash || "#")) return;
    history[replace ? "replaceState" : "pushState"](null, "", address);
  }

  show({ sameQuery = false, keepPlace = true, quiet = true } = {}) {
    const search = byId("search");
    if (document.activeElement !== search) search.value = this.state.query.q;
    if (!sameQuery || !this.list.query) this.list.run(this.state.query, { keepPlace, quiet });
    else if (!this.state.clip) this.list.grid.refresh();
    const row = this.state.clip === null ? -1 : this.list.table.rowOf(this.state.clip);
    if (row >= 0) this.openClip(row);
    else if (this.clip.row >= 0) this.showList();
  }

  openClip(row) {
    const { table } = this.list;
    const opened = byId("clip").hidden;
    byId("list").hidden = true;
    byId("clip").hidden = false;
    document.body.classList.add("in-clip");
    if (this.state.run === null && this.site.runs?.length && opened) this.state.run = this.site.runs[0];
    const secondRow = this.state.compare === null ? -1 : table.rowOf(this.state.compare);
    if (this.state.compare !== null && secondRow < 0 && table.loaded >= table.length) {
      this.notice(`There is no clip ${this.state.compare} to compare with.`);
      this.state.compare = null;
    }
    const { run, run2, view } = this.state;
    this.clip.show({ row, place: this.list.placeOf(row), found: this.list.result.rows.length, run, secondRow, run2, view });
    document.title = `${table.value("title", row) || this.state.clip} · ${this.site.title}`;
    if (opened) this.clip.title.focus({ preventScroll: true });
  }

  closeClip() {
    this.go({ clip: null, compare: null, run2: null, view: {} });
    this.showList();
  }

  showList() {
    const row = this.clip.row;
    this.clip.close();
    this.keepViewSoon.cancel();
    byId("clip").hidden = true;
    byId("list").hidden = false;
    document.body.classList.remove("in-clip");
    document.title = `${this.site.title} · 360° clips`;
    this.list.grid.resize();
    if (this.stale) this.list.run(this.state.query, { keepPlace: true });
    this.stale = false;
    const place = this.list.placeOf(row);
    if (place >= 0) this.list.grid.focus(place);
  }

  step(by) {
    const { rows } = this.list.result;
    const place = this.list.placeOf(this.clip.row) + by;
    if (place < 0 || place >= rows.length) return;
    this.go({ clip: this.list.table.value("key", rows[place]), compare: null, run2: null });
    announce(this.clip.title.textContent);
  }

  currentView() {
    const { t, yaw, pitch, fov } = this.clip.state();
    return t === undefined ? this.state.view : { t, yaw, pitch, fov };
  }

  keepView() {
    if (this.clip.row < 0 || this.state.clip === null) return;
    this.state.view = this.currentView();
    this.write(true);
  }

  /** The list is there or has changed: the place of the open clip may be another one. */
  onResult() {
    this.openWaiting();
    if (this.clip.row >= 0) {
      const place = this.list.placeOf(this.clip.row);
      this.clip.show({ row: this.clip.row, place, found: this.list.result.rows.length, run: this.state.run, secondRow: this.state.compare === null ? -1 : this.list.table.rowOf(this.state.compare), run2: this.state.run2, view: {} });
    }
  }

  /** Open the clip of the address as soon as its row is loaded. */
  openWaiting() {
    if (this.state.clip === null || this.clip.row >= 0) return;
    const row = this.list.table.rowOf(this.state.clip);
    if (row >= 0) this.openClip(row);
  }

  missing() {
    const key = this.state.clip;
    this.go({ clip: null, view: {} });
    this.notice(`There is no clip ${key} here.`);
  }

  notice(text) {
    announce(text);
    const note = byId("announcer");
    note.classList.remove("unseen");
    note.classList.add("toast");
    setTimeout(() => { note.classList.add("unseen"); note.classList.remove("toast"); }, 5000);
  }

  fillReview(from, to) {
    if (!this.review) return;
    const { table } = this.list;
    const column = table.byName.get("review");
    const key = table.byName.get("key");
    for (let row = from; row < to; row += 1) column.set(row, reviewed(this.review.of(key?.get(row))));
  }

  onDecisions(keys) {
    const { table } = this.list;
    const column = table.byName.get("review");
    for (const key of keys) {
      const row = table.rowOf(key);
      if (row >= 0) column.set(row, reviewed(this.review.of(key)));
      if (row >= 0 && row === this.clip.row) this.clip.review.update();
    }
    this.rerun((name) => name === "review");
  }

  /** Scores of runs have become known. */
  onScores(progress, number) {
    this.list.bar.showScored(progress);
    if (number) this.rerun((name) => this.list.table.byName.get(name)?.role === "score");
  }

  /** Run the query again, since values of the columns that `isOf(name)` accepts have changed. */
  rerun(isOf) {
    const { query } = this.state;
    const moves = [...query.filters.keys(), query.sort?.name ?? ""].some(isOf);
    if (moves && this.clip.row >= 0) this.stale = true; // the open clip keeps its place among the results
    else this.list.run(query, { keepPlace: true });
  }

  setUpHead() {
    const search = byId("search");
    const find = debounced(() => {
      this.go({ query: { ...this.state.query, q: search.value }, ...(this.state.clip ? { clip: null } : {}) });
    }, 140);
    search.addEventListener("input", find);
    search.addEventListener("blur", find.flush); // a search that is still waiting would close a clip opened since
    search.addEventListener("keydown", (event) => {
      if (event.key === "Escape" || event.key === "Enter" || event.key === "ArrowDown") {
        event.preventDefault();
        find.flush();
        if (event.key === "Escape" && search.value) { search.value = ""; this.go({ query: { ...this.state.query, q: "" } }); }
        else this.list.grid.focus(0);
      }
    });
    byId("brand").addEventListener("click", (event) => {
      event.preventDefault();
      if (this.state.clip) this.closeClip();
      this.list.grid.focus(0);
    });
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault();
      if (this.clip.row >= 0) this.clip.title.focus();
      else this.list.grid.focus(this.list.grid.active);
    });
    const filters = byId("filters-button");
    filters.addEventListener("click", () => {
      filters.setAttribute("aria-expanded", String(document.body.classList.toggle("with-filters")));
    });
    this.toggleTheme = setUpTheme(byId("theme"));
    byId("help-button").addEventListener("click", () => this.keys.help());
  }

  focusedCard() {
    const { grid } = this.list;
    return grid.spacer.contains(document.activeElement) ? grid.active : grid.active - 1;
  }

  escape() {
    if (document.activeElement && document.activeElement !== document.body && document.activeElement.matches("input, textarea, select")) document.activeElement.blur();
    else if (document.body.classList.contains("with-filters")) byId("filters-button").click();
    else if (this.state.clip !== null) this.closeClip();
  }
}

async function begin() {
  try {
    const site = await get("api/site.json");
    if (!Number.isInteger(site?.clips) || !Array.isArray(site.columns)) throw new Error("api/site.json describes no list.");
    const page = new Page(site);
    await page.start();
  } catch (error) {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = `The list could not be loaded. ${error.message}`;
    byId("main").replaceChildren(notice);
  }
  document.documentElement.dataset.ready = "true";
  (globalThis.requestIdleCallback ?? setTimeout)(() => loadViewer().catch(() => {})); // the first clip need not wait for it
}

begin();
