/**
 * The viewer of one clip: picture, sound, layers and controls.
 *
 * Angles of the interface are degrees: `yaw` is the azimuth (positive to the left), `pitch` the
 * elevation, `fov` the horizontal field of view.
 */

import { viewInRadians } from "./annotations.js";
import { FieldRenderer, MODES } from "./binaural.js";
import { DirectionsMeter } from "./directions_meter.js";
import { element } from "./elements.js";
import { listenToGestures } from "./gestures.js";
import { pressKey, viewerKeys } from "./keys.js";
import { LayerControls } from "./layer_controls.js";
import { Layers } from "./layers.js";
import { audioContext, loadSound, loadVideo } from "./media.js";
import { canFollowDevice, enterHeadset, followDevice, hasHeadset } from "./orientation.js";
import { Player } from "./player.js";
import { DEGREE } from "./projection.js";
import { Resolution, REST_MS } from "./resolution.js";
import { SphereRenderer } from "./sphere.js";
import { Look, Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { SPEEDS, Toolbar } from "./toolbar.js";
import { ViewsPanel } from "./views_panel.js";

/** `onState` is called as often while playing, in milliseconds. */
const REPORT_MS = 250;
/** Part of the field of view that an arrow key turns by. */
const KEY_TURN = 1 / 18;

/**
 * Make a viewer in an element.
 *
 * @param place - Element whose place it fills.
 * @param onState - Called with the state when the user changes it, and while playing; never because
 *     of `setState`.
 * @param muted - Whether the sound is off at first.
 */
export function createViewer(place, { onState = () => {}, muted = false } = {}) {
  return new Viewer(place, onState, muted);
}

class Viewer {
  constructor(place, onState, muted) {
    this.onState = onState;
    this.look = new Look();
    this.resolution = new Resolution();
    this.mode = "sphere";
    this.soundMode = "binaural";
    this.muted = muted;
    this.volumeDb = 0;
    this.notes = [];
    this.measured = {};
    this.rendered = 0;
    this.hovered = null;
    this.highlighted = null;
    this.quiet = 0;
    this.#buildSound();
    this.#buildPage(place);
    this.#buildPicture();
    this.keys = viewerKeys(this);
    this.resize = new ResizeObserver(() => this.#invalidate());
    this.resize.observe(this.root);
    hasHeadset().then((there) => {
      this.stage.headset.hidden = !there;
    });
    this.stage.device.hidden = !canFollowDevice();
    this.#refresh();
  }

  /**
   * Show a clip, paused at its beginning. Resolves when all of it is there, or has failed.
   *
   * @param base - Folder of the clip's members, such as "clips/12/".
   * @param clip - The content of its clip.json.
   * @param run - Number of the run whose views are shown, or null.
   */
  async show({ base, clip, run = null }) {
    const started = performance.now();
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    const { signal } = loading;
    const current = () => this.loading === loading;
    this.#release();
    this.measured = {};
    this.clip = clip;
    this.notes = [];
    this.waiting = true;
    this.player.load({ duration: clip.duration_s, fps: clip.fps ?? clip.metadata?.fps ?? 16 });
    this.stage.surface.setAttribute(
      "aria-label",
      `360° picture of ${clip.title || clip.key}. Arrow keys turn, plus and minus zoom, Space plays.`,
    );
    this.timeline.load({
      duration: clip.duration_s, level: clip.level, verdicts: clip.verdicts,
    });
    this.meter.load(null);
    this.panel.load([], "");
    this.#loadControls();
    this.stage.start.hidden = false;
    this.#refresh();

    const fail = (error) => {
      if (!current()) return;
      this.notes.push(error.message);
      this.stage.showStatus(this.notes);
    };
    const video = loadVideo(this.video, `${base}video.mp4`, signal).then((release) => {
      if (!current()) {
        release();
        return;
      }
      this.releaseVideo = release;
      this.player.setVideoReady(true);
      this.#newFrame();
      this.#draw();
      this.measured.firstFrameMs = performance.now() - started;
    }).catch(fail).finally(() => {
      if (!current()) return;
      this.waiting = false;
      this.stage.showStatus(this.notes);
    });
    const sound = loadSound(this.context, `${base}audio.flac`, clip.duration_s, signal).then((buffer) => {
      if (!current()) return;
      this.player.setSound(buffer);
      this.meter.load(buffer);
      this.measured.firstSoundMs = performance.now() - started;
      this.#invalidate();
    }).catch(fail);
    const layers = this.layers.load({ base, clip, run, signal }).then((messages) => {
      if (!current()) return;
      messages.forEach((message) => fail({ message }));
      this.panel.load(this.layers.views, `${base}runs/${run}/`);
      this.#loadControls();
      this.#invalidate();
    });
    this.stage.showStatus(["Loading…"]);
    await Promise.all([video, sound, layers]);
  }

  /** Return {t, yaw, pitch, fov, playing, mode, sound, speed, loop, muted}. */
  state() {
    const { azimuth, elevation, fov } = this.look;
    return {
      t: this.player.time(), yaw: azimuth / DEGREE, pitch: elevation / DEGREE, fov: fov / DEGREE,
      playing: this.player.playing, mode: this.mode, sound: this.soundMode,
      speed: this.player.speed, loop: this.player.loop, muted: this.muted,
    };
  }

  /** Take some or all values of a state, without a call of `onState`. */
  async setState(state) {
    this.quiet += 1;
    try {
      await this.#take(state);
    } finally {
      this.quiet -= 1;
    }
  }

  /** Return what was measured: times to picture and sound, drift of the video, frames drawn. */
  measure() {
    const { drift, worstDrift, running, seekSeconds } = this.player;
    return {
      ...this.measured, running, seekMs: 1000 * seekSeconds,
      driftMs: 1000 * drift, worstDriftMs: 1000 * worstDrift, rendered: this.rendered,
    };
  }

  /** Use a key; returns whether it was one of `keys`. */
  handleKey(event) {
    return pressKey(this.keys, event);
  }

  async play() {
    this.stage.start.hidden = true;
    const started = await this.player.play();
    if (!started) {
      this.stage.start.hidden = false;
      this.stage.showStatus(["Tap to start the sound"]);
    } else if (!this.waiting) this.stage.showStatus(this.notes);
    return started;
  }

  pause() {
    this.player.pause();
  }

  /** Pause and go some frames on, or back if negative. */
  async step(count) {
    await this.player.step(count);
    this.#changed();
  }

  /** Free everything; the viewer cannot be used afterwards. */
  dispose() {
    this.loading?.abort();
    this.disposed = true;
    clearTimeout(this.atRest);
    this.stopDevice?.();
    this.session?.end();
    this.stopGestures();
    this.resize.disconnect();
    this.#release();
    this.player.dispose();
    this.field.dispose();
    this.renderer?.dispose();
    this.root.remove();
  }

  // What controls, keys and gestures do.

  togglePlay() {
    if (this.player.playing) this.pause();
    else this.play();
  }

  toggleLoop() {
    this.player.setLoop(!this.player.loop);
    this.#changed();
  }

  setSpeed(speed) {
    this.player.setSpeed(speed);
    this.#changed();
  }

  changeSpeed(count) {
    const at = SPEEDS.indexOf(this.player.speed) + count;
    if (SPEEDS[at]) this.setSpeed(SPEEDS[at]);
  }

  setSound(mode) {
    this.soundMode = mode;
    this.field.setMode(mode);
    this.#changed();
  }

  nextSound() {
    this.setSound(MODES[(MODES.indexOf(this.soundMode) + 1) % MODES.length]);
  }

  toggleMute() {
    this.muted = !this.muted;
    this.#setVolume();
    this.#changed();
  }

  setVolume(volumeDb) {
    this.volumeDb = volumeDb;
    this.muted = false;
    this.#setVolume();
    this.#changed();
  }

  setMode(mode) {
    this.mode = mode;
    this.hovered = null;
    this.#changed();
  }

  toggleMode() {
    this.setMode(this.mode === "flat" ? "sphere" : "flat");
  }

  turnBy(right, up) {
    const step = this.#view().hfov * KEY_TURN;
    this.#turn({
      azimuth: this.look.azimuth - right * step, elevation: this.look.elevation + up * step,
    });
  }

  zoomBy(factor) {
    this.look.zoom(factor);
    this.#changed();
  }

  lookAhead() {
    this.look.reset();
    this.#turn(this.look);
  }

  lookAtView(k) {
    const view = this.layers.views[k];
    if (view) this.#turn(viewInRadians(view));
  }

  toggleLayer(name) {
    this.controls.toggle(name);
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => {});
  }

  async toggleDevice() {
    if (this.stopDevice) {
      this.stopDevice();
      this.stopDevice = null;
    } else {
      this.stopDevice = await followDevice((view) => this.#turn(view, true)).catch((error) => {
        this.stage.showStatus([error.message]);
        return null;
      });
    }
    this.stage.device.setAttribute("aria-pressed", String(Boolean(this.stopDevice)));
  }

  async enterHeadset() {
    try {
      this.session = await enterHeadset({
        renderer: this.renderer,
        getFrame: () => {
          this.player.tick();
          return this.#layerFrame(this.player.time());
        },
        onPose: (view) => {
          this.look.turn(view);
          this.field.setView(view);
        },
        onEnd: () => {
          this.session = null;
          this.#changed();
        },
      });
      this.play();
    } catch (error) {
      this.stage.showStatus([`The headset cannot be used: ${error.message}`]);
    }
  }

  #buildSound() {
    this.context = audioContext();
    this.field = new FieldRenderer(this.context);
    this.#setVolume();
    this.video = element("video", { muted: true, playsInline: true, preload: "auto" });
    this.player = new Player({
      context: this.context, video: this.video, output: this.field.input,
      onChange: () => this.#changed(),
    });
    this.video.addEventListener("seeked", () => this.#newFrame());
    const onFrame = () => {
      if (this.disposed) return;
      this.#newFrame();
      this.video.requestVideoFrameCallback(onFrame);
    };
    this.video.requestVideoFrameCallback?.(onFrame);
  }

  #buildPage(place) {
    this.stage = new Stage(this);
    this.meter = new DirectionsMeter();
    this.stage.corner.append(this.meter.root);
    this.timeline = new Timeline({
      getTime: () => this.player.time(),
      onSeek: (time) => this.#seek(time),
      onScrub: (begins) => this.#scrub(begins),
    });
    this.toolbar = new Toolbar(this);
    this.controls = new LayerControls({
      onChange: () => this.#invalidate(), onToggleClass: (id) => this.layers.toggleClass(id),
    });
    this.panel = new ViewsPanel({
      onLook: (view) => this.#turn(viewInRadians(view)),
      onHighlight: (k) => {
        this.highlighted = k;
        this.#invalidate();
      },
    });
    this.root = element(
      "section.vw-root", { "aria-label": "Viewer" }, this.stage.root, this.timeline.root,
      this.toolbar.root, this.controls.root, this.panel.root,
    );
    place.append(this.root);
    this.stopGestures = listenToGestures(this.stage.surface, {
      getView: () => this.#view(),
      getFlat: () => (this.mode === "flat" ? this.stage.flatPoint() : null),
      onTurn: (view) => this.#turn(view),
      onZoom: (factor) => this.zoomBy(factor),
      onHover: (vector) => {
        this.hovered = vector;
        this.#invalidate();
      },
    });
  }

  #buildPicture() {
    try {
      this.renderer = new SphereRenderer(this.stage.canvas, {
        onRestored: () => {
          this.layers.restore();
          this.#newFrame();
        },
      });
    } catch (error) {
      // The plain video is better than nothing.
      this.renderer = null;
      this.mode = "flat";
      this.stage.surface.prepend(this.video);
      this.video.className = "vw-plain-video";
      this.stage.mode.root.hidden = true;
      this.stage.showStatus([`Only the flat picture is shown: ${error.message}`]);
    }
    this.layers = new Layers(this.renderer, () => this.#invalidate());
  }

  async #take(state) {
    const { player, look } = this;
    if (state.mode && state.mode !== this.mode && this.renderer) this.mode = state.mode;
    if (MODES.includes(state.sound) && state.sound !== this.soundMode) this.setSound(state.sound);
    if (state.muted !== undefined && state.muted !== this.muted) this.toggleMute();
    if (state.speed) player.setSpeed(state.speed);
    if (state.loop !== undefined) player.setLoop(state.loop);
    const turned = ["yaw", "pitch"].some((name) => Number.isFinite(state[name]));
    if (Number.isFinite(state.fov)) {
      look.fov = state.fov * DEGREE;
      look.zoom(1);
    }
    if (turned) {
      const azimuth = Number.isFinite(state.yaw) ? state.yaw * DEGREE : look.azimuth;
      const elevation = Number.isFinite(state.pitch) ? state.pitch * DEGREE : look.elevation;
      this.#turn({ azimuth, elevation });
    }
    if (state.playing === false && player.playing) this.pause();
    if (Number.isFinite(state.t)) {
      const apart = Math.abs(state.t - player.time());
      const wrapped = Math.min(apart, Math.abs(player.duration - apart));
      if (player.running ? wrapped > 0.03 : apart > 0.5 / player.fps) {
        if (player.running) player.follow(state.t);
        else await player.seek(state.t);
      }
    }
    if (state.playing === true && !player.playing) await this.play();
    this.#refresh();
  }

  #view() {
    return this.look.view(this.stage.aspect);
  }

  #turn(view, byDevice = false) {
    if (!byDevice && this.stopDevice) this.toggleDevice();
    this.look.turn(view);
    this.turnedAt = performance.now();
    this.field.setView(this.look);
    this.#changed();
  }

  #seek(time) {
    this.player.seek(time).then(() => this.#changed());
    this.#changed();
  }

  /** While the user drags along the time line, the clip stands still. */
  #scrub(begins) {
    if (begins) {
      this.resume = this.player.playing;
      this.player.pause();
    } else if (this.resume) this.play();
  }

  #setVolume() {
    this.field.setVolume(this.muted ? -Infinity : this.volumeDb);
  }

  #loadControls() {
    const { clip, layers } = this;
    const present = new Set(["grid"]);
    if (layers.energy) present.add("energy");
    if (clip.labels?.times_s.length) present.add("labels");
    if (layers.cam) present.add("cam");
    if (layers.views.length) present.add("views");
    if (clip.directions?.length) present.add("directions");
    this.controls.load({ present, energy: clip.energy, legend: clip.labels?.legend });
  }

  #release() {
    this.player.unload();
    this.layers.clear();
    this.renderer?.setVideo(null);
    this.video.removeAttribute("src");
    this.video.load();
    this.releaseVideo?.();
    this.releaseVideo = null;
  }

  #newFrame() {
    this.frameIsNew = true;
    this.#invalidate();
  }

  /** The user has changed something. */
  #changed() {
    this.#refresh();
    if (this.quiet) return;
    this.stage.start.hidden = true;
    this.onState(this.state());
  }

  #refresh() {
    const { player } = this;
    this.toolbar.refresh({
      playing: player.playing, loop: player.loop, speed: player.speed, sound: this.soundMode,
      muted: this.muted, volumeDb: this.volumeDb,
    });
    this.stage.mode.choose(this.mode);
    if (player.playing) this.stage.start.hidden = true;
    this.#invalidate();
  }

  #invalidate() {
    if (this.frame || this.disposed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.#draw();
    });
  }

  #draw() {
    if (this.disposed || this.session || !this.clip) return;
    const { player, stage } = this;
    player.tick();
    const time = player.time();
    const view = this.#view();
    const flat = this.mode === "flat";
    if (this.renderer) {
      const layers = this.#layerFrame(time);
      stage.drawPicture(this.renderer, { flat, view, layers, scale: this.#scale() });
    }
    const shown = (name, value) => (this.controls.opacity(name) ? value : null);
    stage.drawLines({
      flat, view, time, highlighted: this.highlighted,
      shown: {
        grid: shown("grid", true),
        views: shown("views", this.layers.views),
        directions: shown("directions", this.clip.directions),
      },
    });
    stage.showReadout(
      this.hovered, this.hovered && this.layers.describe(time, this.hovered),
    );
    this.meter.draw(time, view);
    this.timeline.draw(time);
    this.toolbar.showTime(time, player.duration);
    this.rendered += 1;
    if (!player.running) return;
    this.#invalidate();
    const now = performance.now();
    if (now - (this.reported ?? 0) > REPORT_MS && !this.quiet) {
      this.reported = now;
      this.onState(this.state());
    }
  }

  /** Return the scale of the resolution; a picture that comes to rest is drawn again in full. */
  #scale() {
    clearTimeout(this.atRest);
    const now = performance.now();
    const moves = this.player.running || now - (this.turnedAt ?? -Infinity) < REST_MS;
    if (!moves) return 1;
    const scale = this.resolution.moving(now);
    if (scale < 1) this.atRest = setTimeout(() => this.#invalidate(), REST_MS + 50);
    return scale;
  }

  #layerFrame(time) {
    if (this.frameIsNew && this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
      this.frameIsNew = false;
      this.renderer.setVideo(this.video);
    }
    const { controls } = this;
    return this.layers.frame(time, {
      energy: controls.opacity("energy"), labels: controls.opacity("labels"),
      cam: controls.opacity("cam"),
    });
  }
}
