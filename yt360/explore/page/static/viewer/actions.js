/** What controls, keys and gestures of a viewer do. */

import { viewInRadians } from "./annotations.js";
import { MODES } from "./binaural.js";
import { enterHeadset, followDevice } from "./orientation.js";
import { SPEEDS } from "./toolbar.js";

/** Part of the field of view that an arrow key turns by. */
const KEY_TURN = 1 / 18;

export class Actions {
  /** @param viewer - The viewer of `viewer.js`. */
  constructor(viewer) {
    this.viewer = viewer;
    this.stopDevice = null;
    this.session = null;
  }

  togglePlay() {
    if (this.viewer.player.playing) this.viewer.pause();
    else this.viewer.play();
  }

  step(count) {
    this.viewer.step(count);
  }

  seek(time) {
    this.viewer.player.seek(time).then(() => this.viewer.changed());
    this.viewer.changed();
  }

  /** While the user drags along the time line, the clip stands still. */
  scrub(begins) {
    if (begins) {
      this.resume = this.viewer.player.playing;
      this.viewer.pause();
    } else if (this.resume) this.viewer.play();
  }

  toggleLoop() {
    this.viewer.player.setLoop(!this.viewer.player.loop);
    this.viewer.changed();
  }

  setSpeed(speed) {
    this.viewer.player.setSpeed(speed);
    this.viewer.changed();
  }

  changeSpeed(count) {
    const at = SPEEDS.indexOf(this.viewer.player.speed) + count;
    if (SPEEDS[at]) this.setSpeed(SPEEDS[at]);
  }

  setSound(mode) {
    this.viewer.soundMode = mode;
    this.viewer.field.setMode(mode);
    this.viewer.changed();
  }

  nextSound() {
    this.setSound(MODES[(MODES.indexOf(this.viewer.soundMode) + 1) % MODES.length]);
  }

  toggleMute() {
    this.#setLoudness(this.viewer.volumeDb, !this.viewer.muted);
  }

  setVolume(volumeDb) {
    this.#setLoudness(volumeDb, false);
  }

  setMode(mode) {
    this.viewer.mode = mode;
    this.viewer.painter.hovered = null;
    this.viewer.changed();
  }

  toggleMode() {
    if (this.viewer.renderer) this.setMode(this.viewer.mode === "flat" ? "sphere" : "flat");
  }

  /** Turn to a view; `byDevice` says that the device is held so. */
  turn(view, byDevice = false) {
    const { viewer } = this;
    if (!byDevice && this.stopDevice) this.toggleDevice();
    viewer.look.turn(view);
    viewer.field.setView(viewer.look);
    viewer.painter.turned();
    viewer.changed();
  }

  turnBy(right, up) {
    const { look, stage } = this.viewer;
    const step = look.view(stage.aspect).hfov * KEY_TURN;
    this.turn({ azimuth: look.azimuth - right * step, elevation: look.elevation + up * step });
  }

  zoomBy(factor) {
    this.viewer.look.zoom(factor);
    this.viewer.changed();
  }

  lookAhead() {
    this.viewer.look.reset();
    this.turn(this.viewer.look);
  }

  /** Look at a view of the run, at the time that it shows unless the clip is playing. */
  lookAtView(k) {
    const { layers, player } = this.viewer;
    if (!layers.views[k]) return;
    this.turn(viewInRadians(layers.views[k]));
    if (layers.window && !player.playing) this.seek(layers.window.start);
  }

  toggleLayer(name) {
    this.viewer.controls.toggle(name);
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.viewer.root.requestFullscreen?.().catch(() => {});
  }

  async toggleDevice() {
    const { stage } = this.viewer;
    if (this.stopDevice) {
      this.stopDevice();
      this.stopDevice = null;
    } else {
      try {
        this.stopDevice = await followDevice((view) => this.turn(view, true));
      } catch (error) {
        stage.showStatus([error.message]);
      }
    }
    stage.device.setAttribute("aria-pressed", String(Boolean(this.stopDevice)));
  }

  async enterHeadset() {
    const { viewer } = this;
    try {
      this.session = await enterHeadset({
        renderer: viewer.renderer,
        getFrame: () => viewer.painter.headsetFrame(),
        onPose: (view) => {
          viewer.look.turn(view);
          viewer.field.setView(view);
        },
        onEnd: () => {
          this.session = null;
          viewer.painter.resting = false;
          viewer.changed();
        },
      });
      viewer.painter.resting = true;
      viewer.play();
    } catch (error) {
      viewer.stage.showStatus([`The headset cannot be used: ${error.message}`]);
    }
  }

  /** End what outlives a click. */
  dispose() {
    this.stopDevice?.();
    this.session?.end();
  }

  #setLoudness(volumeDb, muted) {
    const { viewer } = this;
    Object.assign(viewer, { volumeDb, muted });
    viewer.field.setVolume(muted ? -Infinity : volumeDb);
    viewer.changed();
  }
}
