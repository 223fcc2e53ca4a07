/** The time line: level of the sound, marks of verdicts, and where playing is. */

import { clockText, element, fitCanvas, themeColor } from "./elements.js";

const LOWEST_DB = -60;
const MARK_HEIGHT = 5;

/** Return the heights (0 to 1) of a level curve in `count` columns: the loudest of each. */
export function levelColumns(level, duration, count) {
  const columns = new Float32Array(count);
  if (!level?.db.length || !(duration > 0)) return columns;
  for (let i = 0; i < count; i += 1) {
    const first = Math.floor((i / count) * (duration / level.step_s));
    const last = Math.max(first + 1, Math.ceil(((i + 1) / count) * (duration / level.step_s)));
    const loudest = Math.max(LOWEST_DB, ...level.db.slice(first, last));
    columns[i] = Math.min(1, 1 - loudest / LOWEST_DB);
  }
  return columns;
}

/** Return the verdicts that belong to a time, as {name, text, start, end} in seconds. */
export function timedMarks(verdicts, duration) {
  return (verdicts ?? [])
    .filter((each) => Number.isFinite(each.start_s))
    .map((each) => ({
      name: each.name,
      text: each.text ?? "",
      start: Math.max(0, each.start_s),
      end: Math.min(duration, each.end_s ?? each.start_s),
    }));
}

export class Timeline {
  /**
   * @param getTime - Returns the second that is playing.
   * @param onSeek - Called with seconds.
   * @param onScrub - Called with true when a drag begins and false when it ends.
   */
  constructor({ getTime, onSeek, onScrub }) {
    this.getTime = getTime;
    this.canvas = element("canvas.vw-timeline-canvas", { "aria-hidden": "true" });
    this.tip = element("div.vw-tip", { hidden: true });
    this.root = element(
      "div.vw-timeline",
      {
        role: "slider", tabIndex: 0, "aria-label": "Time", "aria-valuemin": 0, "aria-valuemax": 0,
        "aria-valuenow": 0,
        onkeydown: (event) => this.#onKey(event, onSeek),
        onpointerdown: (event) => {
          this.root.setPointerCapture(event.pointerId);
          this.dragging = true;
          onScrub(true);
          onSeek(this.#timeAt(event));
        },
        onpointermove: (event) => {
          this.#hover(event);
          if (this.dragging) onSeek(this.#timeAt(event));
        },
        onpointerup: () => this.#release(onScrub),
        onpointercancel: () => this.#release(onScrub),
        onpointerleave: () => {
          this.tip.hidden = true;
        },
      },
      this.canvas, this.tip,
    );
    this.load({ duration: 0, level: null, verdicts: [] });
  }

  /** Take a clip. */
  load({ duration, level, verdicts }) {
    Object.assign(this, { duration, level, columns: null });
    this.marks = timedMarks(verdicts, duration);
    this.window = null;
    this.root.setAttribute("aria-valuemax", duration.toFixed(2));
    this.draw(0);
  }

  /** Mark the part {start, end} in seconds that the views of a run show, or none if null. */
  setWindow(window) {
    this.window = window;
  }

  /** Show that a second is playing. */
  draw(time) {
    const [width, height, ratio] = fitCanvas(this.canvas);
    const context = this.canvas.getContext("2d");
    const { ink, accent, faint, warn } = this.#theme();
    context.clearRect(0, 0, width, height);
    if (!(this.duration > 0)) return;
    const played = (time / this.duration) * width;
    const step = Math.round(3 * ratio);
    const count = Math.max(1, Math.floor(width / step));
    if (this.columns?.length !== count) {
      this.columns = levelColumns(this.level, this.duration, count);
    }
    const room = height - (MARK_HEIGHT + 3) * ratio;
    this.columns.forEach((value, i) => {
      const bar = Math.max(ratio, value * room);
      context.fillStyle = i * step < played ? accent : faint;
      context.globalAlpha = i * step < played ? 0.9 : 0.45;
      context.fillRect(i * step, room - bar, step - ratio, bar);
    });
    context.globalAlpha = 0.25;
    context.fillStyle = accent;
    const span = this.window ?? { start: 0, end: 0 };
    const left = (span.start / this.duration) * width;
    context.fillRect(left, 0, ((span.end - span.start) / this.duration) * width, height);
    context.globalAlpha = 1;
    context.fillStyle = warn;
    for (const { start, end } of this.marks) {
      const from = (start / this.duration) * width;
      const length = Math.max(3 * ratio, ((end - start) / this.duration) * width);
      context.fillRect(from, height - MARK_HEIGHT * ratio, length, MARK_HEIGHT * ratio);
    }
    context.fillStyle = ink;
    context.fillRect(Math.min(width - 2 * ratio, Math.max(0, played - ratio)), 0, 2 * ratio, height);
    this.root.setAttribute("aria-valuenow", time.toFixed(2));
    this.root.setAttribute(
      "aria-valuetext", `${time.toFixed(1)} of ${this.duration.toFixed(1)} seconds`,
    );
  }

  /** Return the colours of the page, looked up now and then: the user may change them. */
  #theme() {
    const now = performance.now();
    if (!this.colors || now - this.lookedUp > 300) {
      this.lookedUp = now;
      this.colors = {
        ink: themeColor(this.root, "--ink", "#fff"),
        accent: themeColor(this.root, "--accent", "#ff9f43"),
        faint: themeColor(this.root, "--faint", "#8b93a7"),
        warn: themeColor(this.root, "--warn", "#f4b740"),
      };
    }
    return this.colors;
  }

  #timeAt(event) {
    const box = this.root.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;
    return Math.max(0, Math.min(1, part)) * this.duration;
  }

  #hover(event) {
    const time = this.#timeAt(event);
    const slack = this.duration * 0.005;
    const window = this.window ? [{ name: "views of the run", text: "", ...this.window }] : [];
    const here = [...this.marks, ...window].filter(({ start, end }) => time >= start - slack && time <= end + slack);
    const texts = here.map(({ name, text }) => (text ? `${name}: ${text}` : name));
    this.tip.textContent = [clockText(time), ...texts].join("  ·  ");
    this.tip.hidden = false;
    const left = Math.max(0, Math.min(1, time / (this.duration || 1)));
    this.tip.style.left = `${100 * left}%`;
    this.tip.style.transform = `translateX(${-100 * left}%)`;
  }

  #release(onScrub) {
    if (!this.dragging) return;
    this.dragging = false;
    onScrub(false);
  }

  #onKey(event, onSeek) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5 };
    let time = null;
    if (event.key in steps) time = this.getTime() + steps[event.key];
    if (event.key === "Home") time = 0;
    if (event.key === "End") time = this.duration;
    if (time === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    onSeek(Math.max(0, Math.min(this.duration, time)));
  }
}
