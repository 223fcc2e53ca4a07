// A clip on its own: one or two viewers, what is known about it, and its review.

import { announce, make } from "../app/dom.js";
import { count } from "../app/format.js";
import { ReviewPanel } from "../review/panel.js";
import { askWhat, Link } from "./compare.js";
import { facts } from "./facts.js";
import { Pane } from "./pane.js";

export class ClipPage {
  /**
   * `go(changes)` asks for another state of the page (`{clip: null}` closes, `{row}` opens another one);
   * `moved()` hears that the view or the time has changed.
   */
  constructor(element, { site, table, review, get, go, moved, load }) {
    Object.assign(this, { element, site, table, get, go, moved, load });
    this.row = -1;
    this.run = null;
    this.second = null;
    this.link = new Link();
    this.pane = this.makePane(false);
    this.review = review && new ReviewPanel({ review, layouts: site.layouts ?? [], yaw: () => this.pane.state().yaw ?? 0 });
    this.build();
  }

  makePane(muted) {
    return new Pane({ load: this.load, get: this.get, muted, onState: (pane) => { this.link.changed(pane); this.moved(); } });
  }

  build() {
    const button = (text, properties, click) => make("button", { type: "button", ...properties, text, on: { click } });
    this.title = make("h2", { tabindex: "-1" });
    this.key = make("span", { class: "faint key" });
    this.position = make("span", { class: "faint number" });
    this.before = button("‹", { class: "icon big", "aria-label": "Previous clip", title: "Previous clip (k)" }, () => this.step(-1));
    this.after = button("›", { class: "icon big", "aria-label": "Next clip", title: "Next clip (j)" }, () => this.step(1));
    const runs = this.site.runs ?? [];
    this.runs = make("select", { "aria-label": "Run", on: { change: () => this.go({ run: this.runs.value || null }) } },
      make("option", { value: "", text: "No run" }), ...runs.map((name) => make("option", { value: name, text: name })));
    this.runs.hidden = runs.length === 0;
    this.comparing = button("Compare", { title: "Compare with another clip or run (c)", "aria-pressed": "false" }, () => this.compare());
    this.copy = button("Copy link", { title: "Copy a link to this moment and direction" }, () => this.copyLink());
    this.panelButton = button("Details", { class: "quiet", title: "Show or hide the panel (i)", "aria-pressed": "true", "aria-controls": "clip-panel" }, () => this.togglePanel());
    this.stage = make("div", { class: "stage" }, this.pane.element);
    this.facts = make("div", { class: "all-facts" });
    this.panel = make("aside", { class: "panel", id: "clip-panel", "aria-label": "Details", tabindex: "0" }, this.review?.element, this.facts);
    this.element.replaceChildren(
      make("div", { class: "clip-head" },
        button("← Clips", { class: "quiet back", title: "Back to the list (Esc)" }, () => this.go({ clip: null })),
        make("div", { class: "clip-title" }, this.title, this.key),
        make("div", { class: "clip-tools" }, this.before, this.position, this.after, this.runs, this.comparing, this.copy, this.panelButton)),
      make("div", { class: "clip-body" }, this.stage, this.panel));
  }

  /** Show a state of the page: `row`, place among the results, run, second clip and run, view. */
  async show({ row, place, found, run, secondRow, run2, view }) {
    const { table } = this;
    const key = table.value("key", row);
    const other = this.row !== row;
    const runs = this.site.runs ?? [];
    const name = runs.includes(run) ? run : null;
    this.position.textContent = place >= 0 ? `${count(place + 1)} / ${count(found)}` : "";
    this.before.disabled = place <= 0;
    this.after.disabled = place < 0 || place >= found - 1;
    this.runs.value = name ?? "";
    if (other) {
      this.title.textContent = table.value("title", row) || table.value("video", row) || key;
      this.key.textContent = key;
      this.facts.replaceChildren();
      this.panel.scrollTop = 0;
      this.review?.show(key, row >= table.clips);
    }
    const changed = other || this.run !== name;
    this.row = row;
    this.run = name;
    this.updateSecond(secondRow, run2, view);
    if (!changed) {
      if (Object.keys(view).length) this.pane.setState(view);
      return;
    }
    const clip = await this.pane.show(row, { run: name === null ? null : runs.indexOf(name), view, title: this.second ? this.paneTitle(row, name) : "" });
    if (clip === null || this.row !== row) return;
    this.facts.replaceChildren(...facts(clip, table, row, {
      seek: (t) => this.pane.setState({ t: Math.max(0, t) }),
      look: (yaw, pitch) => this.pane.setState({ yaw, pitch }),
    }));
    if (this.second) this.link.changed(this.pane);
  }

  paneTitle(row, run) {
    return [this.table.value("title", row) || this.table.value("key", row), this.table.value("key", row), run].filter(Boolean).join(" · ");
  }

  updateSecond(row, run, view) {
    const wanted = row >= 0 && row !== undefined;
    this.comparing.setAttribute("aria-pressed", String(wanted));
    this.comparing.textContent = wanted ? "Stop comparing" : "Compare";
    this.stage.classList.toggle("two", wanted);
    if (!wanted) {
      this.second?.dispose();
      this.second = null;
      this.secondShows = null;
      this.link.join();
      this.pane.title.hidden = true;
      return;
    }
    const runs = this.site.runs ?? [];
    const name = runs.includes(run) ? run : null;
    this.pane.title.textContent = this.paneTitle(this.row, this.run);
    this.pane.title.hidden = false;
    if (!this.second) {
      this.second = this.makePane(true);
      this.stage.append(this.second.element);
      this.link.join(this.pane, this.second);
    }
    const shows = `${row} ${name}`;
    if (this.secondShows === shows) return;
    this.secondShows = shows;
    const start = { ...view, ...this.pane.state() };
    this.second.show(row, { run: name === null ? null : runs.indexOf(name), title: this.paneTitle(row, name) })
      .then(() => this.second?.setState(pick(start, ["t", "yaw", "pitch", "fov", "playing"])));
  }

  compare() {
    if (this.second) this.go({ compare: null, run2: null });
    else askWhat({ table: this.table, row: this.row, runs: this.site.runs ?? [], run: this.run, choose: (answer) => this.go(answer) });
  }

  step(by) {
    this.go({ step: by });
  }

  async copyLink() {
    this.moved(true);
    try {
      await navigator.clipboard.writeText(location.href);
      announce("Link copied");
      this.copy.textContent = "Copied";
      setTimeout(() => { this.copy.textContent = "Copy link"; }, 1500);
    } catch {
      this.copy.textContent = "See the address bar"; // the browser does not allow the clipboard
    }
  }

  togglePanel() {
    const shown = this.element.classList.toggle("without-panel");
    this.panelButton.setAttribute("aria-pressed", String(!shown));
  }

  /** View and time for the address of the page. */
  state() {
    return this.pane.state();
  }

  close() {
    this.pane.pause();
    this.second?.dispose();
    this.second = null;
    this.secondShows = null;
    this.link.join();
    this.stage.classList.remove("two");
    this.row = -1;
  }
}

function pick(object, names) {
  return Object.fromEntries(names.filter((name) => object[name] !== undefined).map((name) => [name, object[name]]));
}
