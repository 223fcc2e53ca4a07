/** The picture: the sphere or the flat panorama, with what is drawn over it. */

import { drawDirections, drawGrid, drawLook, drawViews } from "./annotations.js";
import { choice, directionText, element, fitCanvas, iconButton } from "./elements.js";
import {
  azimuthElevation, clampElevation, DEGREE, directionToEquirect, directionToView, fittedFov,
  raysOfView, verticalFov, wrapAngle,
} from "./projection.js";

/** Fields of view in radians. */
const FOV = { least: 20 * DEGREE, most: 140 * DEGREE, first: 100 * DEGREE };
const MOST_VERTICAL_FOV = 120 * DEGREE;

/** Return the part of a picture, [horizontal, vertical], that a panorama of 2:1 covers. */
export function flatCover(aspect) {
  return aspect > 2 ? [2 / aspect, 1] : [1, aspect / 2];
}

/** Where a viewer looks. Angles in radians; `fov` is the horizontal one that the user chose. */
export class Look {
  constructor() {
    this.reset();
  }

  /** Look to the front. */
  reset() {
    Object.assign(this, { azimuth: 0, elevation: 0, roll: 0, fov: FOV.first });
  }

  /** Turn to a direction. */
  turn({ azimuth, elevation, roll = 0 }) {
    this.azimuth = wrapAngle(azimuth);
    this.elevation = clampElevation(elevation);
    this.roll = roll;
  }

  /** Make the plane of the view larger by a factor. */
  zoom(factor) {
    const fov = 2 * Math.atan(Math.tan(this.fov / 2) * factor);
    this.fov = Math.max(FOV.least, Math.min(FOV.most, fov));
  }

  /** Return the view in a picture of an aspect (width over height). */
  view(aspect) {
    const { azimuth, elevation, roll } = this;
    const hfov = fittedFov(this.fov, aspect, MOST_VERTICAL_FOV);
    return { azimuth, elevation, roll, hfov, vfov: verticalFov(hfov, aspect) };
  }
}

export class Stage {
  /** @param act - What its buttons do; see `actions.js`. */
  constructor(act) {
    this.canvas = element("canvas.vw-picture", { "aria-hidden": "true" });
    this.lines = element("canvas.vw-lines", { "aria-hidden": "true" });
    this.readout = element("div.vw-readout", { "aria-hidden": "true" });
    this.status = element("div.vw-status", { role: "status", hidden: true });
    this.start = element("button.vw-start", {
      type: "button", "aria-label": "Play", tabIndex: -1, hidden: true,
      onclick: () => act.togglePlay(),
    });
    this.start.append(iconButton("play", "", null).firstChild);
    this.mode = choice("Picture", [
      { value: "sphere", text: "Sphere", title: "Look around from within (V)" },
      { value: "flat", text: "Flat", title: "The whole panorama (V)" },
    ], (mode) => act.setMode(mode));
    this.full = iconButton("full", "Full screen (F)", () => act.toggleFullScreen());
    this.device = iconButton("compass", "Turn with the device", () => act.toggleDevice(), {
      hidden: true, "aria-pressed": "false",
    });
    this.headset = iconButton("headset", "Show in a headset", () => act.enterHeadset(), {
      hidden: true,
    });
    const ahead = iconButton("home", "Look to the front (0)", () => act.lookAhead());
    this.corner = element("div.vw-corner");
    this.surface = element(
      "div.vw-surface", { tabIndex: 0, role: "application" }, this.canvas, this.lines,
    );
    this.name("a clip");
    this.root = element(
      "div.vw-stage", {}, this.surface, this.start,
      element("div.vw-stage-buttons", {}, this.mode.root, ahead, this.device, this.headset, this.full),
      this.corner, this.readout, this.status,
    );
  }

  /** Say what clip the picture is of. */
  name(title) {
    const keys = "Arrow keys turn, plus and minus zoom, Space plays.";
    this.surface.setAttribute("aria-label", `360° picture of ${title}. ${keys}`);
  }

  /** Show the video itself where nothing can be drawn. */
  showPlainVideo(video) {
    video.className = "vw-plain-video";
    this.surface.prepend(video);
    this.mode.root.hidden = true;
  }

  /** Width over height of the picture. */
  get aspect() {
    return Math.max(1, this.surface.clientWidth) / Math.max(1, this.surface.clientHeight);
  }

  /** Return the function from a point [right, up] of the flat picture to [u, v]. */
  flatPoint() {
    const [across, down] = flatCover(this.aspect);
    return ([right, up]) => [
      0.5 + (0.5 * right) / across,
      Math.max(0, Math.min(1, 0.5 - (0.5 * up) / down)),
    ];
  }

  /** Draw the picture. `layers` is what `Layers.frame` returns, `scale` that of the resolution. */
  drawPicture(renderer, { flat, view, layers, scale }) {
    fitCanvas(this.canvas, scale);
    renderer.render({
      ...layers,
      rays: flat ? null : raysOfView(view),
      flat: flat ? flatCover(this.aspect) : null,
    });
  }

  /** Draw the lines over the picture. `shown` has {views, directions, grid}, each may be null. */
  drawLines({ flat, view, shown, highlighted, time }) {
    const [width, height, ratio] = fitCanvas(this.lines);
    const context = this.lines.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const projection = this.#projection(flat, view, width / ratio, height / ratio);
    if (shown.grid) drawGrid(context, projection);
    if (shown.views) drawViews(context, projection, shown.views, highlighted);
    if (shown.directions) drawDirections(context, projection, shown.directions, time);
    if (flat) drawLook(context, projection, view);
  }

  /** Show what is in a direction under the pointer (null: nothing). */
  showReadout(vector, described) {
    this.readout.hidden = !vector;
    if (!vector) return;
    const [azimuth, elevation] = azimuthElevation(vector).map((each) => each / DEGREE);
    const parts = [directionText(azimuth, elevation)];
    if (described?.label) parts.push(described.label);
    if (Number.isFinite(described?.energyDb)) parts.push(`${described.energyDb.toFixed(1)} dB`);
    this.readout.textContent = parts.join("  ·  ");
  }

  /** Show messages, one a line; none hides them. */
  showStatus(messages) {
    this.status.hidden = !messages.length;
    this.status.replaceChildren(...messages.map((each) => element("p", {}, each)));
  }

  #projection(flat, view, width, height) {
    if (flat) {
      const [across, down] = flatCover(this.aspect);
      const project = (vector) => {
        const [u, v] = directionToEquirect(vector);
        return [(0.5 + (u - 0.5) * across) * width, (0.5 + (v - 0.5) * down) * height];
      };
      return { project, jump: (width * across) / 2 };
    }
    const project = (vector) => {
      const point = directionToView(view, vector);
      if (!point || Math.abs(point[0]) > 8 || Math.abs(point[1]) > 8) return null;
      return [(0.5 + 0.5 * point[0]) * width, (0.5 - 0.5 * point[1]) * height];
    };
    return { project, jump: Infinity };
  }
}
