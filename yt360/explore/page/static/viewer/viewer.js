/**
 * The viewer of one clip: picture, sound, layers and controls.
 *
 * Angles of the interface are degrees: `yaw` is the azimuth (positive to the left), `pitch` the
 * elevation, `fov` the horizontal field of view.
 */

import { Actions } from "./actions.js";
import { FieldRenderer } from "./binaural.js";
import { DirectionsMeter } from "./directions_meter.js";
import { element } from "./elements.js";
import { listenToGestures } from "./gestures.js";
import { pressKey, viewerKeys } from "./keys.js";
import { LayerControls } from "./layer_controls.js";
import { Layers } from "./layers.js";
import { audioContext, loadSound, loadVideo } from "./media.js";
import { canFollowDevice, hasHeadset } from "./orientation.js";
import { Painter } from "./painter.js";
import { Player } from "./player.js";
import { SphereRenderer } from "./sphere.js";
import { Look, Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { readState, takePlaying, takeView } from "./state.js";
import { Toolbar } from "./toolbar.js";
import { ViewsPanel } from "./views_panel.js";

const DEFAULT_FPS = 16;

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
    this.mode = "sphere";
    this.soundMode = "binaural";
    this.muted = muted;
    this.volumeDb = 0;
    this.notes = [];
    this.measured = {};
    this.quiet = 0;
    this.act = new Actions(this);
    this.keys = viewerKeys(this.act);
    this.#buildPlayer();
    this.#buildPage(place);
    this.#buildPicture();
    this.resize = new ResizeObserver(() => this.painter.invalidate());
    this.resize.observe(this.root);
    hasHeadset().then((there) => {
      this.stage.headset.hidden = !there || !this.renderer;
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
    this.#release();
    this.loading = new AbortController();
    const { signal } = this.loading;
    this.measured = {};
    this.notes = [];
    this.waiting = true;
    this.clip = clip;
    const fps = [clip.fps, clip.metadata?.fps].find((each) => each > 0) ?? DEFAULT_FPS;
    this.player.load({ duration: clip.duration_s > 0 ? clip.duration_s : 0, fps });
    this.stage.name(clip.title || clip.key);
    this.#loadTimeline();
    this.meter.load(null);
    this.panel.load([], "");
    this.#offerLayers();
    this.stage.start.hidden = false;
    this.stage.showStatus(["Loading…"]);
    this.#refresh();
    const fail = ({ message }) => {
      if (signal.aborted) return;
      this.notes.push(message);
      this.stage.showStatus(this.notes);
    };
    await Promise.all([
      this.#showVideo(`${base}video.mp4`, started, signal).catch(fail).finally(() => {
        if (signal.aborted) return;
        this.waiting = false;
        this.stage.showStatus(this.notes);
      }),
      this.#letHear(`${base}audio.flac`, started, signal).catch(fail),
      this.#showLayers(base, run, signal, fail),
    ]);
  }

  /** Return {t, yaw, pitch, fov, playing, mode, sound, speed, loop, muted}. */
  state() {
    return readState(this);
  }

  /** Take some or all values of a state, without a call of `onState`. */
  async setState(state) {
    this.quiet += 1;
    try {
      takeView(this, state);
      await takePlaying(this, state);
      this.#refresh();
    } finally {
      this.quiet -= 1;
    }
  }

  /** Return what was measured: times to picture and sound, drift of the video, frames drawn. */
  measure() {
    const { drift, worstDrift, running, seekSeconds } = this.player;
    return {
      ...this.measured, running, seekMs: 1000 * seekSeconds, driftMs: 1000 * drift,
      worstDriftMs: 1000 * worstDrift, rendered: this.painter.rendered,
    };
  }

  /** Use a key; returns whether it was one of `keys`. */
  handleKey(event) {
    return pressKey(this.keys, event);
  }

  /** Play; returns false if the browser does not allow sound before the user acts. */
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
    this.changed();
  }

  /** Free everything; the viewer cannot be used afterwards. */
  dispose() {
    this.act.dispose();
    this.painter.dispose();
    this.stopGestures();
    this.resize.disconnect();
    this.#release();
    this.player.dispose();
    this.field.dispose();
    this.renderer?.dispose();
    this.root.remove();
  }

  /** Show and report that something has changed. */
  changed() {
    this.#refresh();
    if (this.quiet) return;
    this.stage.start.hidden = true;
    this.onState(this.state());
  }

  #buildPlayer() {
    this.context = audioContext();
    this.field = new FieldRenderer(this.context);
    this.field.setVolume(this.muted ? -Infinity : this.volumeDb);
    this.video = element("video", { muted: true, playsInline: true, preload: "auto" });
    this.player = new Player({
      context: this.context, video: this.video, output: this.field.input,
      onChange: () => this.changed(),
    });
    this.painter = new Painter(this, () => {
      if (!this.quiet) this.onState(this.state());
    });
  }

  #buildPage(place) {
    const { act, painter } = this;
    this.stage = new Stage(act);
    this.meter = new DirectionsMeter();
    this.stage.corner.append(this.meter.root);
    this.timeline = new Timeline({
      getTime: () => this.player.time(), onSeek: (time) => act.seek(time),
      onScrub: (begins) => act.scrub(begins),
    });
    this.toolbar = new Toolbar(act);
    this.controls = new LayerControls({
      onChange: () => painter.invalidate(), onToggleClass: (id) => this.layers.toggleClass(id),
    });
    this.panel = new ViewsPanel({
      onLook: (view) => act.lookAtView(this.layers.views.indexOf(view)),
      onHighlight: (k) => {
        painter.highlighted = k;
        painter.invalidate();
      },
    });
    this.root = element(
      "section.vw-root", { "aria-label": "Viewer" }, this.stage.root, this.timeline.root,
      this.toolbar.root, this.controls.root, this.panel.root,
    );
    place.append(this.root);
    this.stopGestures = listenToGestures(this.stage.surface, {
      getView: () => this.look.view(this.stage.aspect),
      getFlat: () => (this.mode === "flat" ? this.stage.flatPoint() : null),
      onTurn: (view) => act.turn(view),
      onZoom: (factor) => act.zoomBy(factor),
      onHover: (vector) => {
        painter.hovered = vector;
        painter.invalidate();
      },
    });
  }

  #buildPicture() {
    try {
      this.renderer = new SphereRenderer(this.stage.canvas, {
        onRestored: () => {
          this.layers.restore();
          this.painter.newFrame();
        },
      });
    } catch (error) {
      // The plain video is better than nothing.
      this.renderer = null;
      this.mode = "flat";
      this.stage.showPlainVideo(this.video);
      this.stage.showStatus([`Only the flat picture is shown: ${error.message}`]);
    }
    this.layers = new Layers(this.renderer, () => {
      this.#offerLayers();
      this.painter.invalidate();
    });
  }

  async #showVideo(url, started, signal) {
    const release = await loadVideo(this.video, url, signal);
    if (signal.aborted) {
      release();
      return;
    }
    this.releaseVideo = release;
    if (!this.player.duration) {
      this.player.duration = this.video.duration;
      this.#loadTimeline();
    }
    this.player.setVideoReady(true);
    this.painter.newFrame();
    this.painter.draw();
    this.#measure("firstFrameMs", started);
  }

  async #letHear(url, started, signal) {
    const buffer = await loadSound(this.context, url, this.player.duration, signal);
    if (signal.aborted) return;
    this.player.setSound(buffer);
    this.meter.load(buffer);
    this.#measure("firstSoundMs", started);
    this.painter.invalidate();
  }

  /** Keep the time since `started`, and mark it for tools that measure the page. */
  #measure(name, started) {
    this.measured[name] = performance.now() - started;
    performance.clearMarks(name);
    performance.mark(name);
  }

  async #showLayers(base, run, signal, fail) {
    const { clip } = this;
    const onRun = () => {
      this.panel.load(this.layers.views, `${base}runs/${run}/`);
      this.timeline.setWindow(this.layers.window);
    };
    const messages = await this.layers.load({ base, clip, run, signal, onRun });
    messages.forEach((message) => fail({ message }));
  }

  #loadTimeline() {
    const { level, verdicts } = this.clip;
    this.timeline.load({ duration: this.player.duration, level, verdicts });
    this.timeline.setWindow(this.layers.window);
  }

  /** Offer the layers that are there so far. */
  #offerLayers() {
    const { clip, layers } = this;
    if (!clip) return;
    const there = {
      grid: true, energy: layers.energy, cam: layers.cam, views: layers.views.length,
      labels: clip.labels?.times_s.length, directions: clip.directions?.length,
    };
    const present = new Set(Object.keys(there).filter((name) => there[name]));
    this.controls.load({ present, energy: clip.energy, legend: clip.labels?.legend });
  }

  /** Stop what is loading and forget the clip. */
  #release() {
    this.loading?.abort();
    this.player.unload();
    this.layers.clear();
    this.renderer?.setVideo(null);
    this.video.removeAttribute("src");
    this.video.load();
    this.releaseVideo?.();
    this.releaseVideo = null;
  }

  #refresh() {
    const { player } = this;
    this.toolbar.refresh({
      playing: player.playing, loop: player.loop, speed: player.speed, sound: this.soundMode,
      muted: this.muted, volumeDb: this.volumeDb,
    });
    this.stage.mode.choose(this.mode);
    if (player.playing) this.stage.start.hidden = true;
    this.painter.invalidate();
  }
}
