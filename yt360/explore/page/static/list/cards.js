// The grid of cards: only those in sight exist, whatever the length of the list.

import { make } from "../app/dom.js";
import { Card } from "./card.js";
import { inSight, layOut, Place } from "./scroll.js";

/** Pictures load once the list has been slower than a screen a step for so long. */
const CALM_MS = 90;
const PADDING_PX = 18;

export class CardGrid {
  /**
   * `scroller` is the element to scroll in; `href(row)` gives the address of a row's clip.
   */
  constructor(scroller, { href }) {
    this.scroller = scroller;
    this.href = href;
    this.spacer = make("div", { class: "spacer", role: "list", "aria-label": "Clips" });
    this.empty = make("p", { class: "notice", hidden: true });
    scroller.append(this.spacer, this.empty);
    this.place = new Place();
    this.table = null;
    this.rows = new Uint32Array(0);
    this.sorted = null;
    this.active = 0;
    this.version = 0;
    this.wanted = null;
    this.cards = new Map();
    this.pool = [];
    this.calm = 0;
    this.layout = layOut(800, 0);
    scroller.addEventListener("scroll", () => this.onScroll(), { passive: true });
    new ResizeObserver(() => this.resize()).observe(scroller);
    this.spacer.addEventListener("focusin", (event) => this.onFocus(event));
  }

  /** Show other rows of a table; the place in the list stays if `keepPlace`. */
  show(table, rows, { sorted = null, keepPlace = false, message = "" } = {}) {
    this.table = table;
    this.rows = rows;
    this.sorted = sorted;
    this.version += 1;
    this.empty.hidden = rows.length > 0;
    this.empty.textContent = message;
    this.spacer.hidden = rows.length === 0;
    if (!keepPlace) this.active = 0;
    this.active = Math.min(this.active, Math.max(0, rows.length - 1));
    this.resize(keepPlace ? null : 0);
  }

  /** Lay the cards out anew; `line` scrolls there, else the first card in sight stays in sight. */
  resize(line = null) {
    const width = this.scroller.clientWidth - 2 * PADDING_PX;
    if (width <= 0) { // the list is hidden now
      this.wanted = line ?? this.wanted;
      return;
    }
    const top = line ?? this.wanted;
    this.wanted = null;
    const first = this.place.top / this.layout.pitch;
    const layout = layOut(width, this.rows.length, width < 460 ? { least: 150, gap: 10 } : {});
    const same = layout.columns === this.layout.columns;
    const lines = top ?? (same ? first : (first * this.layout.columns) / layout.columns);
    this.layout = layout;
    this.place.top = lines * layout.pitch;
    const real = this.place.resize(layout.total + 2 * PADDING_PX, this.scroller.clientHeight);
    this.spacer.style.height = `${this.place.realMost + this.scroller.clientHeight}px`;
    this.scroller.scrollTop = real;
    this.draw(true);
  }

  onScroll() {
    const before = this.place.top;
    const real = this.scroller.scrollTop;
    const wanted = this.place.scrolled(real);
    if (wanted !== real) this.scroller.scrollTop = wanted;
    const fast = Math.abs(this.place.top - before) > this.scroller.clientHeight;
    this.draw(!fast);
  }

  /** Put the cards in sight in their places. */
  draw(pictures) {
    const { columns, width, height, gap, pitch } = this.layout;
    const top = this.place.top - PADDING_PX;
    const [from, to] = inSight(this.layout, this.rows.length, top, this.scroller.clientHeight);
    for (const [index, card] of this.cards) {
      if (index >= from && index < to) continue;
      if (card.element.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
      card.element.remove();
      card.clearPictures();
      card.row = -1;
      this.cards.delete(index);
      this.pool.push(card);
    }
    for (let index = from; index < to; index += 1) {
      let card = this.cards.get(index);
      if (!card) {
        card = this.pool.pop() ?? new Card();
        this.cards.set(index, card);
        const after = this.cards.get(index + 1);
        this.spacer.insertBefore(card.element, after ? after.element : null);
      }
      card.fill(this.table, this.rows[index], { index, found: this.rows.length, href: this.href, sorted: this.sorted, version: this.version });
      const x = PADDING_PX + (index % columns) * (width + gap);
      const y = Math.floor(index / columns) * pitch - this.place.top + this.place.real + PADDING_PX;
      card.element.style.transform = `translate(${x}px, ${y}px)`;
      card.element.style.width = `${width}px`;
      card.element.style.height = `${height}px`;
      card.link.tabIndex = index === this.active ? 0 : -1;
      if (pictures) card.loadPictures();
    }
    clearTimeout(this.calm);
    if (!pictures) this.calm = setTimeout(() => { for (const card of this.cards.values()) card.loadPictures(); }, CALM_MS);
    if (this.pool.length > 200) this.pool.length = 200;
  }

  onFocus(event) {
    for (const [index, card] of this.cards) {
      if (card.element.contains(event.target)) this.setActive(index);
    }
  }

  setActive(index) {
    const before = this.cards.get(this.active);
    if (before) before.link.tabIndex = -1;
    this.active = index;
    const card = this.cards.get(index);
    if (card) card.link.tabIndex = 0;
  }

  /** Move the focus to the card of this place in the list, scrolling as far as needed. */
  focus(index) {
    if (!this.rows.length) return;
    const wanted = Math.min(Math.max(index, 0), this.rows.length - 1);
    this.reveal(wanted);
    this.setActive(wanted);
    this.cards.get(wanted)?.link.focus({ preventScroll: true });
  }

  reveal(index) {
    const y = Math.floor(index / this.layout.columns) * this.layout.pitch;
    const height = this.scroller.clientHeight;
    let { top } = this.place;
    if (y < top) top = y;
    else if (y + this.layout.height + 2 * PADDING_PX > top + height) top = y + this.layout.height + 2 * PADDING_PX - height;
    else return;
    this.scroller.scrollTop = this.place.jumpTo(top);
    this.draw(true);
  }

  /** Handle a key of the list; return whether it was one. */
  handleKey({ key }) {
    const { columns, pitch } = this.layout;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / pitch)) * columns;
    const focused = this.spacer.contains(document.activeElement) || document.activeElement === this.scroller;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (!(key in steps)) return false;
    if (!focused && document.activeElement !== document.body && document.activeElement?.id !== "main") return false;
    const onCard = this.spacer.contains(document.activeElement);
    let next = onCard ? this.active + steps[key] : this.active;
    if (key === "ArrowUp" && next < 0) next = this.active % columns;
    if (key === "ArrowDown" && next >= this.rows.length) next = this.rows.length - 1;
    if (next === -Infinity) next = 0;
    this.focus(next);
    return true;
  }

  /** Fill the cards again, for example after a decision. */
  refresh() {
    this.version += 1;
    if (this.table) this.draw(true);
  }
}
