/** A compass of the sound: how loud each azimuth is now, and where the view looks. */

import { beamPower, covariance, soundDirection } from "./field_analysis.js";
import { directionText, element, fitCanvas } from "./elements.js";
import { azimuthElevation, DEGREE, direction } from "./projection.js";
import { colorAt, ENERGY_STOPS } from "./colors.js";

/** Seconds of sound that the meter looks at. */
const WINDOW_S = 0.08;
const AZIMUTHS = 72;
/** Levels of W in dB at which the compass is empty and full. */
const EMPTY_DB = -60;
const FULL_DB = -10;
/** Directions so many dB below the loudest are at the centre. */
const SHOWN_DB = 12;

export class DirectionsMeter {
  constructor() {
    this.canvas = element("canvas.vw-meter-canvas", { role: "img", "aria-label": "No sound" });
    this.where = element("div");
    this.level = element("div.vw-meter-level");
    this.root = element(
      "div.vw-meter", {}, this.canvas,
      element("div.vw-meter-text", { "aria-hidden": "true" }, this.where, this.level),
    );
    this.spoken = 0;
  }

  /** Take the decoded sound of a clip, or null. */
  load(buffer) {
    this.channels = buffer
      ? Array.from({ length: 4 }, (_, channel) => buffer.getChannelData(channel))
      : null;
    this.rate = buffer?.sampleRate ?? 0;
    this.root.hidden = !buffer;
  }

  /** Return what is measured at a second: see `soundDirection`, and the covariance. */
  measure(time) {
    const count = Math.round(WINDOW_S * this.rate);
    const cov = covariance(this.channels, Math.round(time * this.rate) - count / 2, count);
    return { ...soundDirection(cov), cov };
  }

  /** Draw a second; `view` is {azimuth, hfov} in radians. */
  draw(time, view) {
    if (!this.channels) return;
    const [size, , ratio] = fitCanvas(this.canvas);
    const context = this.canvas.getContext("2d");
    const radius = size / 2 - 3 * ratio;
    if (radius <= 0) return; // the page hides it
    // Azimuth grows to the left, and the front is up.
    const at = (azimuth, part) => [
      size / 2 - Math.sin(azimuth) * radius * part, size / 2 - Math.cos(azimuth) * radius * part,
    ];
    context.clearRect(0, 0, size, size);
    context.lineWidth = ratio;
    context.strokeStyle = "#ffffff40";
    for (const part of [0.5, 1]) {
      context.beginPath();
      context.arc(size / 2, size / 2, radius * part, 0, 2 * Math.PI);
      context.stroke();
    }
    context.fillStyle = "#ffffff2e";
    context.beginPath();
    context.moveTo(size / 2, size / 2);
    for (let i = 0; i <= 16; i += 1) {
      context.lineTo(...at(view.azimuth + view.hfov * (i / 16 - 0.5), 1));
    }
    context.fill();

    const { cov, vector, level, focus } = this.measure(time);
    const loudness = Math.max(0, Math.min(1, (level - EMPTY_DB) / (FULL_DB - EMPTY_DB)));
    if (loudness > 0) this.#drawLobe(context, at, cov, loudness, size);
    if (loudness > 0 && vector && focus > 0.15) {
      const [azimuth, elevation] = azimuthElevation(vector);
      const [x, y] = at(azimuth, Math.cos(elevation));
      context.fillStyle = "#fff";
      context.beginPath();
      context.arc(x, y, 4 * ratio, 0, 2 * Math.PI);
      context.fill();
      this.#say(directionText(azimuth / DEGREE, elevation / DEGREE), level);
    } else {
      this.#say(loudness > 0 ? "all around" : "silent", level);
    }
  }

  #drawLobe(context, at, cov, loudness, size) {
    const powers = Array.from({ length: AZIMUTHS }, (_, i) =>
      beamPower(cov, direction((i / AZIMUTHS) * 2 * Math.PI, 0)),
    );
    const most = Math.max(...powers, 1e-12);
    context.beginPath();
    powers.forEach((power, i) => {
      const part = Math.max(0, 1 + (10 * Math.log10(Math.max(power / most, 1e-6))) / SHOWN_DB);
      const point = at((i / AZIMUTHS) * 2 * Math.PI, 0.08 + 0.92 * part * loudness);
      if (i) context.lineTo(...point);
      else context.moveTo(...point);
    });
    context.closePath();
    const glow = context.createRadialGradient(size / 2, size / 2, 0, size / 2, size / 2, size / 2);
    for (const part of [0, 0.5, 1]) {
      glow.addColorStop(part, `rgb(${colorAt(ENERGY_STOPS, 0.45 + 0.45 * part).join(" ")} / 0.85)`);
    }
    context.fillStyle = glow;
    context.fill();
  }

  #say(where, level) {
    this.where.textContent = where;
    this.level.textContent = `${Math.round(Math.max(-99, level))} dB`;
    const now = performance.now();
    if (now - this.spoken < 1000) return;
    this.spoken = now;
    this.canvas.setAttribute("aria-label", `Sound comes from: ${where}`);
  }
}
