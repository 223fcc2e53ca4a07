/** Draws a viewer when something has changed, and for each frame of the display while it plays. */

import { Resolution, REST_MS } from "./resolution.js";

/** A playing clip is reported as often, in milliseconds. */
const REPORT_MS = 250;

export class Painter {
  /**
   * @param viewer - The viewer of `viewer.js`.
   * @param onPlaying - Called some times a second while it plays.
   */
  constructor(viewer, onPlaying) {
    this.viewer = viewer;
    this.onPlaying = onPlaying;
    this.resolution = new Resolution();
    this.rendered = 0;
    this.turnedAt = -Infinity;
    this.reportedAt = -Infinity;
    /** Direction under the pointer, number of the highlighted view; null: none. */
    this.hovered = null;
    this.highlighted = null;
    /** While it rests, nothing is drawn. */
    this.resting = false;
    const { video } = viewer;
    video.addEventListener("seeked", () => this.newFrame());
    const onFrame = () => {
      if (this.disposed) return;
      this.newFrame();
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback?.(onFrame);
  }

  /** The video shows another frame. */
  newFrame() {
    this.frameIsNew = true;
    this.invalidate();
  }

  /** The view has turned. */
  turned() {
    this.turnedAt = performance.now();
  }

  /** Draw at the next frame of the display. */
  invalidate() {
    if (this.frame || this.disposed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  /** Draw now. */
  draw() {
    const { viewer } = this;
    if (this.disposed || this.resting || !viewer.clip) return;
    const { player, stage, look, controls, layers, renderer } = viewer;
    player.tick();
    const time = player.time();
    const view = look.view(stage.aspect);
    const flat = viewer.mode === "flat";
    if (renderer) {
      const drawn = this.#layers(time);
      stage.drawPicture(renderer, { flat, view, layers: drawn, scale: this.#scale() });
    }
    const shown = (name, value) => (controls.opacity(name) ? value : null);
    stage.drawLines({
      flat, view, time, highlighted: this.highlighted,
      shown: {
        grid: shown("grid", true),
        views: shown("views", layers.views),
        directions: shown("directions", viewer.clip.directions),
      },
    });
    stage.showReadout(this.hovered, this.hovered && layers.describe(time, this.hovered));
    viewer.meter.draw(time, view);
    viewer.timeline.draw(time);
    viewer.toolbar.showTime(time, player.duration);
    this.rendered += 1;
    if (!player.running) return;
    this.invalidate();
    const now = performance.now();
    if (now - this.reportedAt < REPORT_MS) return;
    this.reportedAt = now;
    this.onPlaying();
  }

  /** Return what a headset's frame needs beside its rays. */
  headsetFrame() {
    this.viewer.player.tick();
    return this.#layers(this.viewer.player.time());
  }

  /** Draw no more. */
  dispose() {
    this.disposed = true;
    clearTimeout(this.atRest);
    cancelAnimationFrame(this.frame);
  }

  /** Return the scale of the resolution; a picture that comes to rest is drawn again in full. */
  #scale() {
    clearTimeout(this.atRest);
    const now = performance.now();
    if (!this.viewer.player.running && now - this.turnedAt > REST_MS) return 1;
    const scale = this.resolution.moving(now);
    if (scale < 1) this.atRest = setTimeout(() => this.invalidate(), REST_MS + 50);
    return scale;
  }

  #layers(time) {
    const { video, renderer, controls, layers, player } = this.viewer;
    // A browser that does not tell of new frames may have one at any time.
    if (player.running && !video.requestVideoFrameCallback) this.frameIsNew = true;
    if (this.frameIsNew && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
      this.frameIsNew = false;
      renderer.setVideo(video);
    }
    return layers.frame(time, {
      energy: controls.opacity("energy"), labels: controls.opacity("labels"),
      cam: controls.opacity("cam"),
    });
  }
}
