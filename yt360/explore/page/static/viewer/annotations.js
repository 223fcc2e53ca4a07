/**
 * Draws lines and names over the picture: frames of views, directions, grid.
 *
 * `project` turns a direction into [x, y] in pixels, or null where it is not in the picture, and
 * `jump` is the distance in pixels beyond which two neighbours of a line are on opposite edges.
 */

import { viewColor } from "./colors.js";
import { DEGREE, direction, frameOutline } from "./projection.js";

const FONT = "600 12px system-ui, sans-serif";
const NAMES = [
  [0, 0, "front"], [90, 0, "left"], [-90, 0, "right"], [180, 0, "behind"], [0, 90, "up"],
  [0, -90, "down"],
];

/** Draw a line along directions. */
export function drawPath(context, { project, jump }, path) {
  context.beginPath();
  let last = null;
  for (const vector of path) {
    const point = project(vector);
    if (point) {
      const joined = last && Math.abs(point[0] - last[0]) < jump;
      if (joined) context.lineTo(...point);
      else context.moveTo(...point);
    }
    last = point;
  }
  context.stroke();
}

/** Return a view of a run in radians. */
export function viewInRadians(view) {
  return {
    azimuth: view.azimuth_deg * DEGREE,
    elevation: view.elevation_deg * DEGREE,
    roll: 0,
    hfov: view.hfov_deg * DEGREE,
    vfov: (view.vfov_deg ?? view.hfov_deg) * DEGREE,
  };
}

/** Draw the frames of a run's views, numbered from 1. */
export function drawViews(context, projection, views, highlighted = null) {
  views.forEach((view, k) => {
    const frame = viewInRadians(view);
    context.lineWidth = k === highlighted ? 4 : 2;
    context.strokeStyle = viewColor(k);
    drawPath(context, projection, frameOutline(frame));
    const corner = projection.project(frameOutline(frame, 1)[0]);
    if (corner) drawTag(context, corner, `${k + 1}${view.flip ? " mirrored" : ""}`, viewColor(k));
  });
}

/** Draw the outline of one view, as where the sphere mode looks. */
export function drawLook(context, projection, view) {
  context.save();
  context.strokeStyle = "#000a";
  context.lineWidth = 4;
  drawPath(context, projection, frameOutline(view, 24));
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5;
  drawPath(context, projection, frameOutline(view, 24));
  context.restore();
}

/** Return the named directions that are there at a time; one without times always is. */
export function directionsAt(directions, time) {
  return directions.filter(
    ({ start_s: start, end_s: end }) => time >= (start ?? -Infinity) && time < (end ?? Infinity),
  );
}

/** Draw the named directions of a time. */
export function drawDirections(context, projection, directions, time) {
  for (const each of directionsAt(directions, time)) {
    const at = projection.project(
      direction(each.azimuth_deg * DEGREE, each.elevation_deg * DEGREE),
    );
    if (!at) continue;
    for (const [style, width] of [["#000b", 5], ["#fff", 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.beginPath();
      context.arc(at[0], at[1], 9, 0, 2 * Math.PI);
      context.moveTo(at[0] - 15, at[1]);
      context.lineTo(at[0] - 5, at[1]);
      context.moveTo(at[0] + 5, at[1]);
      context.lineTo(at[0] + 15, at[1]);
      context.stroke();
    }
    drawTag(context, [at[0] + 13, at[1] - 24], each.name, "#fff");
  }
}

/** Draw meridians and parallels every 30 degrees, and the names of the main directions. */
export function drawGrid(context, projection) {
  context.lineWidth = 1;
  const lines = [];
  for (let azimuth = -180; azimuth < 180; azimuth += 30) {
    lines.push([range(-90, 90, 5).map((each) => [azimuth, each]), false]);
  }
  for (let elevation = -60; elevation <= 60; elevation += 30) {
    lines.push([range(-180, 180, 5).map((each) => [each, elevation]), elevation === 0]);
  }
  for (const [line, main] of lines) {
    context.strokeStyle = main ? "#ffffffa0" : "#ffffff48";
    drawPath(context, projection, line.map(([a, e]) => direction(a * DEGREE, e * DEGREE)));
  }
  for (const [azimuth, elevation, name] of NAMES) {
    const at = projection.project(direction(azimuth * DEGREE, elevation * DEGREE));
    if (at) drawTag(context, at, name, "#fff");
  }
}

/** Draw text on a dark tag that starts at a point. */
function drawTag(context, [x, y], text, color) {
  context.font = FONT;
  const width = context.measureText(text).width;
  context.fillStyle = "#0b0d12cc";
  context.beginPath();
  context.roundRect(x, y, width + 12, 20, 5);
  context.fill();
  context.fillStyle = color;
  context.textBaseline = "middle";
  context.fillText(text, x + 6, y + 10.5);
}

function range(first, last, step) {
  return Array.from({ length: Math.round((last - first) / step) + 1 }, (_, i) => first + i * step);
}
