/** Turns and zooms a view by pointer, wheel and touch. There is no inertia. */

import {
  azimuthElevation, equirectToDirection, viewToDirection, viewWithDirectionAt,
} from "./projection.js";

const ZOOM_PER_WHEEL_PIXEL = 0.0015;

/** Return the ray of [right, up] of a view's plane, in the view's own frame. */
export function rayOf({ hfov, vfov }, [right, up]) {
  return [1, -right * Math.tan(hfov / 2), up * Math.tan(vfov / 2)];
}

/** Return the turn of a view by which a grasped direction comes to a point of its plane. */
export function dragged(view, grasped, point) {
  return viewWithDirectionAt(grasped, rayOf(view, point));
}

/**
 * Let a user look around on an element.
 *
 * @param place - Element that gets the events.
 * @param getView - Returns the view as drawn, {azimuth, elevation, hfov, vfov}.
 * @param getFlat - Returns the function from a plane's point to [u, v] in flat mode, else null.
 * @param onTurn - Called with {azimuth, elevation}.
 * @param onZoom - Called with the factor by which the plane of the view grows.
 * @param onHover - Called with a direction, or null.
 * @returns A function that removes the listeners.
 */
export function listenToGestures(place, { getView, getFlat, onTurn, onZoom, onHover }) {
  const pointers = new Map();
  let grasped = null;
  let spread = 0;

  const planePoint = ({ clientX, clientY }) => {
    const box = place.getBoundingClientRect();
    return [
      ((clientX - box.left) / box.width) * 2 - 1,
      1 - ((clientY - box.top) / box.height) * 2,
    ];
  };
  const middle = () => {
    const points = [...pointers.values()].map(planePoint);
    return [0, 1].map((axis) => points.reduce((sum, each) => sum + each[axis], 0) / points.length);
  };
  const distance = () => {
    const [a, b] = [...pointers.values()];
    return b ? Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) : 0;
  };
  const directionAt = (point) => {
    const flat = getFlat();
    return flat ? equirectToDirection(flat(point)) : viewToDirection(getView(), point);
  };
  const grasp = () => {
    grasped = pointers.size ? directionAt(middle()) : null;
    spread = distance();
  };
  const lookAt = (vector) => {
    const [azimuth, elevation] = azimuthElevation(vector);
    onTurn({ azimuth, elevation });
  };

  const listeners = {
    pointerdown(event) {
      if (event.button > 0 || event.target.closest?.("button, input, select")) return;
      place.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
      if (getFlat()) lookAt(directionAt(planePoint(event)));
      grasp();
    },
    pointermove(event) {
      if (!pointers.has(event.pointerId)) {
        onHover(directionAt(planePoint(event)));
        return;
      }
      pointers.set(event.pointerId, event);
      if (getFlat()) {
        lookAt(directionAt(middle()));
        return;
      }
      const now = distance();
      if (spread > 0 && now > 0) {
        onZoom(spread / now);
        spread = now;
      }
      onTurn(dragged(getView(), grasped, middle()));
    },
    pointerup: (event) => pointers.delete(event.pointerId) && grasp(),
    pointercancel: (event) => pointers.delete(event.pointerId) && grasp(),
    pointerleave: () => onHover(null),
    wheel(event) {
      event.preventDefault();
      const pixels = event.deltaY * (event.deltaMode === 1 ? 24 : event.deltaMode === 2 ? 400 : 1);
      const factor = Math.exp(Math.max(-300, Math.min(300, pixels)) * ZOOM_PER_WHEEL_PIXEL);
      if (getFlat()) {
        onZoom(factor);
        return;
      }
      const point = planePoint(event);
      const under = directionAt(point);
      onZoom(factor);
      onTurn(dragged(getView(), under, point));
    },
  };
  for (const [name, listener] of Object.entries(listeners)) {
    place.addEventListener(name, listener, { passive: name !== "wheel" });
  }
  return () => {
    for (const [name, listener] of Object.entries(listeners)) {
      place.removeEventListener(name, listener);
    }
  };
}
