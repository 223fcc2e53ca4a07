/**
 * Directions, rotations and projections of the sphere, as in `yt360/sphere.py`.
 *
 * Vectors [x, y, z] are right-handed: x front, y left, z up. Azimuth is counter-clockwise seen from
 * above, elevation is positive upwards; both in radians. Equirectangular coordinates [u, v] lie in
 * [0, 1] with u to the right and v downwards; the image's centre is the front. Matrices are arrays
 * of nine numbers, row by row.
 *
 * A view is `{azimuth, elevation, roll, hfov, vfov}`: a camera at the centre of the sphere. Its
 * plane has coordinates [right, up] in [-1, 1].
 *
 * All functions are pure.
 */

export const DEGREE = Math.PI / 180;
const TURN = 2 * Math.PI;

/** Return the unit vector of a direction. */
export function direction(azimuth, elevation) {
  const horizontal = Math.cos(elevation);
  return [horizontal * Math.cos(azimuth), horizontal * Math.sin(azimuth), Math.sin(elevation)];
}

/** Return [azimuth, elevation] of a vector of any length. */
export function azimuthElevation([x, y, z]) {
  return [Math.atan2(y, x), Math.atan2(z, Math.hypot(x, y))];
}

/** Return the unit vector at equirectangular coordinates; u wraps. */
export function equirectToDirection([u, v]) {
  return direction((0.5 - u) * TURN, (0.5 - v) * Math.PI);
}

/** Return the equirectangular coordinates of a vector of any length. */
export function directionToEquirect(vector) {
  const [azimuth, elevation] = azimuthElevation(vector);
  return [0.5 - azimuth / TURN, 0.5 - elevation / Math.PI];
}

/** Return the angle between two vectors of any length, from 0 to pi. */
export function angleBetween([a, b, c], [x, y, z]) {
  const sine = Math.hypot(b * z - c * y, c * x - a * z, a * y - b * x);
  return Math.atan2(sine, a * x + b * y + c * z);
}

/** Return the matrix product of two matrices. */
export function multiply(first, second) {
  const product = new Array(9);
  for (let row = 0; row < 9; row += 3) {
    for (let column = 0; column < 3; column += 1) {
      product[row + column] =
        first[row] * second[column] +
        first[row + 1] * second[column + 3] +
        first[row + 2] * second[column + 6];
    }
  }
  return product;
}

/** Return the transpose of a matrix, which is the inverse of a rotation. */
export function transpose([a, b, c, d, e, f, g, h, i]) {
  return [a, d, g, b, e, h, c, f, i];
}

/** Return a matrix times a vector. */
export function apply(m, [x, y, z]) {
  return [
    m[0] * x + m[1] * y + m[2] * z,
    m[3] * x + m[4] * y + m[5] * z,
    m[6] * x + m[7] * y + m[8] * z,
  ];
}

/** Return the right-handed rotation about an axis ("x", "y" or "z") by an angle. */
export function rotationAbout(axis, angle) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  if (axis === "x") return [1, 0, 0, 0, c, -s, 0, s, c];
  if (axis === "y") return [c, 0, s, 0, 1, 0, -s, 0, c];
  return [c, -s, 0, s, c, 0, 0, 0, 1];
}

/** Return the rotation from the world to a view: Rx(-roll) Ry(elevation) Rz(-azimuth). */
export function viewRotation(azimuth, elevation, roll = 0) {
  const tilt = multiply(rotationAbout("y", elevation), rotationAbout("z", -azimuth));
  return multiply(rotationAbout("x", -roll), tilt);
}

/**
 * Return the matrix from (right, up, 1) on the plane of a view to directions in the world.
 *
 * Its directions have any length. It is all that the renderer needs to know of a view.
 */
export function raysOfView(view) {
  const { azimuth, elevation, roll = 0, hfov, vfov } = view;
  const toWorld = transpose(viewRotation(azimuth, elevation, roll));
  const plane = [0, 0, 1, -Math.tan(hfov / 2), 0, 0, 0, Math.tan(vfov / 2), 0];
  return multiply(toWorld, plane);
}

/** Return the direction (of any length) at [right, up] of a view's plane. */
export function viewToDirection(view, [right, up]) {
  return apply(raysOfView(view), [right, up, 1]);
}

/** Return [right, up] of a direction on a view's plane, or null if it is behind the camera. */
export function directionToView(view, vector) {
  const [x, y, z] = apply(viewRotation(view.azimuth, view.elevation, view.roll ?? 0), vector);
  if (x <= 1e-6 * Math.hypot(y, z)) return null;
  return [-y / x / Math.tan(view.hfov / 2), z / x / Math.tan(view.vfov / 2)];
}

/** Return the vertical field of view for square pixels; `aspect` is width over height. */
export function verticalFov(hfov, aspect) {
  return 2 * Math.atan(Math.tan(hfov / 2) / aspect);
}

/**
 * Return `hfov`, reduced so that the vertical field of view for square pixels is at most `most`.
 *
 * A tall window, as of a phone, would otherwise be distorted at its top and bottom.
 */
export function fittedFov(hfov, aspect, most) {
  return Math.min(hfov, 2 * Math.atan(Math.tan(most / 2) * aspect));
}

/** Return directions along the outline of a view, closed: great circles between its corners. */
export function frameOutline(view, stepsPerEdge = 12) {
  const corners = [[-1, 1], [1, 1], [1, -1], [-1, -1]];
  const rays = raysOfView(view);
  const outline = [];
  corners.forEach(([right, up], corner) => {
    const [nextRight, nextUp] = corners[(corner + 1) % 4];
    for (let step = 0; step < stepsPerEdge; step += 1) {
      const part = step / stepsPerEdge;
      const at = [right + (nextRight - right) * part, up + (nextUp - up) * part, 1];
      outline.push(apply(rays, at));
    }
  });
  outline.push(outline[0]);
  return outline;
}

/**
 * Return {azimuth, elevation} of the view without roll that has a direction at a given ray.
 *
 * This is how dragging works: the point that was grasped stays under the pointer. If no view has
 * it there (close to a pole), the nearest one is returned.
 *
 * @param vector - Direction in the world.
 * @param ray - Direction in the view's own frame (x along its axis), of any length.
 */
export function viewWithDirectionAt(vector, ray) {
  const length = Math.hypot(...ray);
  const [x, y, z] = ray.map((each) => each / length);
  const height = vector[2] / Math.hypot(...vector);
  const reach = Math.hypot(x, z);
  const sine = Math.max(-1, Math.min(1, height / Math.max(reach, 1e-9)));
  const elevation = clampElevation(Math.asin(sine) - Math.atan2(z, x));
  const ahead = x * Math.cos(elevation) - z * Math.sin(elevation);
  const azimuth = Math.atan2(vector[1], vector[0]) - Math.atan2(y, ahead);
  return { azimuth: wrapAngle(azimuth), elevation };
}

/** Return an angle plus whole turns, in (-pi, pi]. */
export function wrapAngle(angle) {
  const wrapped = angle - TURN * Math.round(angle / TURN);
  return wrapped <= -Math.PI ? wrapped + TURN : wrapped;
}

/** Return an elevation limited to [-pi/2, pi/2]. */
export function clampElevation(elevation) {
  return Math.max(-Math.PI / 2, Math.min(Math.PI / 2, elevation));
}

/**
 * Return {azimuth, elevation, roll} of the camera of a held device.
 *
 * @param alpha, beta, gamma - As in DeviceOrientationEvent, radians: the device is turned about its
 *     z, then x, then y axis; x points to its right, y to its top, z out of the screen, and with
 *     all zero it lies flat with its top to the north.
 * @param screen - Angle of the screen, radians (`screen.orientation.angle`).
 */
export function viewOfDevice(alpha, beta, gamma, screen) {
  // Columns of the rotation are the device's axes in a world of east, north, up.
  const turned = multiply(
    multiply(rotationAbout("z", alpha), rotationAbout("x", beta)),
    multiply(rotationAbout("y", gamma), rotationAbout("z", -screen)),
  );
  // To the project's axes: x north, y west, z up.
  const ours = (vector) => {
    const [east, north, up] = apply(turned, vector);
    return [north, -east, up];
  };
  return viewOfCamera(ours([0, 0, -1]), ours([0, 1, 0]));
}

/** Return {azimuth, elevation, roll} of a camera that looks ahead and has its top up. */
export function viewOfCamera(ahead, up) {
  const [azimuth, elevation] = azimuthElevation(ahead);
  const [, left, above] = apply(viewRotation(azimuth, elevation), up);
  return { azimuth, elevation, roll: Math.atan2(-left, above) };
}

/**
 * Return the matrix from (right, up, 1) on the plane of a WebXR eye to directions in the world.
 *
 * @param projection - Its projection matrix: 16 numbers, column by column, right-handed and
 *     possibly off-axis.
 * @param orientation - Quaternion {x, y, z, w} of the eye; WebXR has x right, y up, z backwards.
 */
export function raysOfEye(projection, orientation) {
  const p = projection;
  // In the eye's frame: ((right + p8) / p0, (up + p9) / p5, -1); to the project's axes.
  const plane = [0, 0, 1, -1 / p[0], 0, -p[8] / p[0], 0, 1 / p[5], p[9] / p[5]];
  return multiply(rotationOfQuaternion(orientation), plane);
}

/** Return {azimuth, elevation, roll} of a WebXR orientation. */
export function viewOfQuaternion(orientation) {
  const rotation = rotationOfQuaternion(orientation);
  return viewOfCamera(apply(rotation, [1, 0, 0]), apply(rotation, [0, 0, 1]));
}

/** Return the rotation of a WebXR quaternion, in the project's axes. */
function rotationOfQuaternion(orientation) {
  const { w } = orientation;
  const [x, y, z] = [-orientation.z, -orientation.x, orientation.y];
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
    2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
    2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
  ];
}
