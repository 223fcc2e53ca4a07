// Positions of cards, and scrolling through more pixels than a browser can lay out. Pure.

/** The tallest element that all browsers lay out exactly. */
export const TALLEST_PX = 8_000_000;

/** Return where cards go: `{columns, width, height, pitch, total}` in pixels, for a viewport of `width_px`. */
export function layOut(width_px, cards, { least = 216, gap = 14, below = 92 } = {}) {
  const columns = Math.max(1, Math.floor((width_px + gap) / (least + gap)));
  const width = Math.floor((width_px - gap * (columns - 1)) / columns);
  const height = Math.round(width / 2) + below;
  const lines = Math.ceil(cards / columns);
  return { columns, width, height, gap, pitch: height + gap, lines, total: lines ? lines * (height + gap) - gap : 0 };
}

/** Return the half-open range of cards that are in sight, with `spare` lines more on both sides. */
export function inSight({ columns, pitch }, cards, top_px, height_px, spare = 1) {
  const first = Math.max(0, Math.floor(top_px / pitch) - spare);
  const last = Math.ceil((top_px + height_px) / pitch) + spare;
  return [Math.min(first * columns, cards), Math.min(last * columns, cards)];
}

/**
 * The place in a list of `total` pixels that an element of at most `TALLEST_PX` scrolls through.
 *
 * Small steps (wheel, keys, touch) move as many pixels as asked; a jump (dragging the scroll bar) goes to
 * the same fraction of the list. `scrolled` and `jumpTo` return where the element should scroll to.
 */
export class Place {
  constructor() {
    this.top = 0;
    this.real = 0;
    this.resize(0, 0);
  }

  resize(total, height) {
    this.most = Math.max(0, total - height);
    this.realMost = Math.max(0, Math.min(total, TALLEST_PX) - height);
    this.height = height;
    this.step = Math.max(height * 2, 1000);
    return this.jumpTo(this.top);
  }

  scrolled(real) {
    const moved = real - this.real;
    this.real = real;
    if (this.most === this.realMost) this.top = real;
    else if (Math.abs(moved) > this.step) this.top = this.realMost ? (real / this.realMost) * this.most : 0;
    else {
      this.top = Math.min(Math.max(this.top + moved, 0), this.most);
      const atEdge = real <= 0 || real >= this.realMost;
      if (atEdge && this.top > 0 && this.top < this.most) return this.jumpTo(this.top);
      if ((this.top === 0 && real > 0) || (this.top === this.most && real < this.realMost)) return this.jumpTo(this.top);
    }
    return real;
  }

  jumpTo(top) {
    this.top = Math.min(Math.max(top, 0), this.most);
    this.real = this.most === this.realMost ? this.top : Math.round((this.top / this.most) * this.realMost);
    return this.real;
  }
}
