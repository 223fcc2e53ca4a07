/**
 * The layers of a clip over the sphere: audio energy, labels and Grad-CAM, by time.
 *
 * The numbers come from Python. Here they are fetched, chosen by time and handed to the renderer.
 */

import { parseColor } from "./colors.js";
import { fetchMember } from "./media.js";
import { directionToEquirect } from "./projection.js";

/** Label maps that are held at a time. */
const MOST_HELD_LABELS = 16;
/** Below the loudest step of the clip by so many dB, the energy is not drawn. */
const QUIET_DB = 40;

/** A film of maps, one byte a pixel; frame i is centred on (i + 1/2) times `stepS`. */
export class MapFilm {
  constructor(bytes, rows, columns, stepS) {
    this.size = rows * columns;
    this.frames = Math.floor(bytes.length / this.size);
    if (!this.frames) throw new Error("a layer is empty");
    Object.assign(this, { bytes, rows, columns, stepS });
  }

  /** Return {before, after, mix}: the two frames around a time and the weight of the second. */
  around(time) {
    const at = Math.max(0, Math.min(this.frames - 1, time / this.stepS - 0.5));
    const before = Math.floor(at);
    return { before, after: Math.min(before + 1, this.frames - 1), mix: at - before };
  }

  /** Return the bytes of a frame. */
  frame(number) {
    return this.bytes.subarray(number * this.size, (number + 1) * this.size);
  }

  /** Return the value from 0 to 1 at a time in the pixel of a direction. */
  valueAt(time, vector) {
    const { before, after, mix } = this.around(time);
    const at = pixelAt(vector, this.rows, this.columns);
    return (this.frame(before)[at] * (1 - mix) + this.frame(after)[at] * mix) / 255;
  }
}

/** Label maps that are fetched when they are needed. */
export class LabelMaps {
  /**
   * @param read - Function from a map's number to a promise of {data, rows, columns}.
   * @param times - Seconds of the maps, rising.
   */
  constructor(times, read, onLoaded) {
    Object.assign(this, { times, read, onLoaded });
    this.maps = new Map();
    this.pending = new Set();
  }

  /** Return the number of the map nearest to a time. */
  nearest(time) {
    const distances = this.times.map((each) => Math.abs(each - time));
    return distances.indexOf(Math.min(...distances));
  }

  /** Return the map nearest to a time, or null while it is fetched. */
  at(time) {
    const number = this.nearest(time);
    this.#fetch(number);
    if (number + 1 < this.times.length) this.#fetch(number + 1);
    return this.maps.get(number) ?? null;
  }

  async #fetch(number) {
    if (this.maps.has(number) || this.pending.has(number)) return;
    this.pending.add(number);
    try {
      this.maps.set(number, await this.read(number));
      while (this.maps.size > MOST_HELD_LABELS) this.maps.delete(this.maps.keys().next().value);
      this.pending.delete(number);
      this.onLoaded();
    } catch {
      // It stays pending: a broken map is not asked for again and again.
    }
  }
}

/** All layers of one clip. */
export class Layers {
  /** @param onChange - Called when something new can be drawn. */
  constructor(renderer, onChange) {
    this.renderer = renderer;
    this.onChange = onChange;
    this.clear();
  }

  /** Forget the clip. */
  clear() {
    this.clip = null;
    this.energy = null;
    this.cam = null;
    this.labels = null;
    this.views = [];
    /** {start, end} in seconds: what the views of the run show; null if unknown. */
    this.window = null;
    this.hidden = new Set();
    this.uploaded = {};
  }

  /**
   * Fetch what a clip has; a layer that fails is left out and its message is returned.
   *
   * @param onRun - Called when the views of the run are known.
   */
  async load({ base, clip, run, signal, onRun = () => {} }) {
    this.clear();
    this.clip = clip;
    const tasks = [];
    if (clip.energy) tasks.push(this.#loadEnergy(base, clip.energy, signal));
    if (run !== null && run !== undefined) tasks.push(this.#loadRun(base, run, signal, onRun));
    if (clip.labels?.times_s.length) {
      const read = (k) => readLabelMap(`${base}labels/${k}.png`, signal);
      this.labels = new LabelMaps(clip.labels.times_s, read, this.onChange);
      this.#setPalette();
    }
    const outcomes = await Promise.allSettled(tasks);
    return outcomes.filter((each) => each.status === "rejected").map((each) => each.reason.message);
  }

  /** Draw a class or leave it out. */
  toggleClass(id) {
    if (!this.hidden.delete(id)) this.hidden.add(id);
    this.#setPalette();
    this.onChange();
  }

  /**
   * Give the renderer the maps of a time and return what it needs to draw them.
   *
   * @param opacities - {energy, labels, cam}, 0 to 1; 0 is off.
   */
  frame(time, opacities) {
    const energy = this.#film("energy", this.energy, time, opacities.energy);
    energy.opacity *= this.loudness(time);
    let labelOpacity = 0;
    if (opacities.labels > 0 && this.labels) {
      const map = this.labels.at(time);
      if (map) this.#upload("labels", map, map.data, map.rows, map.columns);
      labelOpacity = this.uploaded.labels ? opacities.labels : 0;
    }
    return { energy, cam: this.#film("cam", this.cam, time, opacities.cam), labelOpacity };
  }

  /** Return 0 to 1: how loud a time is, in the clip. */
  loudness(time) {
    const level = this.clip?.level;
    if (!level?.db.length) return 1;
    const at = Math.max(0, Math.min(level.db.length - 1, Math.floor(time / level.step_s)));
    const loudest = Math.max(...level.db);
    return Math.max(0, Math.min(1, 1 + (level.db[at] - loudest) / QUIET_DB));
  }

  /** Return {label, energyDb} in a direction; null where unknown. */
  describe(time, vector) {
    let label = null;
    const map = this.labels?.maps.get(this.labels.nearest(time));
    if (map) {
      const id = map.data[pixelAt(vector, map.rows, map.columns)];
      label = this.clip.labels.legend.find((each) => each.id === id)?.name ?? null;
    }
    let energyDb = null;
    if (this.energy) {
      const { low_db: low, high_db: high } = this.clip.energy;
      energyDb = low + this.energy.valueAt(time, vector) * (high - low);
    }
    return { label, energyDb };
  }

  async #loadEnergy(base, { rows, columns, step_s: stepS }, signal) {
    const response = await fetchMember(`${base}energy.bin`, "The audio energy", signal);
    const film = new MapFilm(new Uint8Array(await response.arrayBuffer()), rows, columns, stepS);
    if (signal?.aborted) return;
    this.energy = film;
    this.onChange();
  }

  async #loadRun(base, run, signal, onRun) {
    const response = await fetchMember(`${base}runs/${run}.json`, "The run", signal);
    const facts = await response.json();
    if (signal?.aborted) return;
    this.views = facts.views ?? [];
    if (Number.isFinite(facts.video_start_s) && Number.isFinite(facts.video_s)) {
      this.window = { start: facts.video_start_s, end: facts.video_start_s + facts.video_s };
    }
    onRun();
    this.onChange();
    if (!facts.gradcam) return;
    const { rows, columns } = facts.gradcam;
    const member = await fetchMember(`${base}runs/${run}/gradcam.bin`, "Grad-CAM", signal);
    const bytes = new Uint8Array(await member.arrayBuffer());
    const frames = Math.max(1, Math.floor(bytes.length / (rows * columns)));
    const film = new MapFilm(bytes, rows, columns, this.clip.duration_s / frames);
    if (signal?.aborted) return;
    this.cam = film;
    this.onChange();
  }

  #setPalette() {
    const bytes = new Uint8Array(4 * 256);
    for (const { id, color } of this.clip.labels.legend) {
      if (!this.hidden.has(id)) bytes.set([...parseColor(color), 255], 4 * id);
    }
    this.renderer?.setPalette(bytes);
  }

  #film(name, film, time, opacity) {
    if (!film || !(opacity > 0)) return { mix: 0, opacity: 0 };
    const { before, after, mix } = film.around(time);
    this.#upload(`${name}Before`, before, film.frame(before), film.rows, film.columns);
    this.#upload(`${name}After`, after, film.frame(after), film.rows, film.columns);
    return { mix, opacity };
  }

  #upload(slot, identity, bytes, rows, columns) {
    const known = this.uploaded[slot];
    if (known && known.identity === identity) return;
    this.uploaded[slot] = { identity };
    this.renderer?.setMap(slot, bytes, rows, columns);
  }

  /** After a lost context: hand everything over again. */
  restore() {
    this.uploaded = {};
    if (this.labels) this.#setPalette();
  }
}

function pixelAt(vector, rows, columns) {
  const [u, v] = directionToEquirect(vector);
  const row = Math.max(0, Math.min(rows - 1, Math.floor(v * rows)));
  return row * columns + (Math.floor(u * columns) % columns);
}

async function readLabelMap(url, signal) {
  const response = await fetchMember(url, "A label map", signal);
  // The numbers are classes, not colours: nothing may convert them.
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const image = await createImageBitmap(await response.blob(), options);
  const { width: columns, height: rows } = image;
  const context = new OffscreenCanvas(columns, rows).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  const { data: pixels } = context.getImageData(0, 0, columns, rows);
  const data = new Uint8Array(rows * columns);
  for (let i = 0; i < data.length; i += 1) data[i] = pixels[4 * i];
  return { data, rows, columns };
}
