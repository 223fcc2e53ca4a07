/** Turns the view with a held device, and shows it in a headset by WebXR. */

import { DEGREE, raysOfEye, viewOfDevice, viewOfQuaternion } from "./projection.js";

/** Say whether the browser may tell how the device is held. */
export function canFollowDevice(browser = window) {
  return "DeviceOrientationEvent" in browser && browser.matchMedia("(pointer: coarse)").matches;
}

/**
 * Follow how the device is held.
 *
 * @param onView - Called with {azimuth, elevation, roll} in radians; the azimuth is 0 at the start.
 * @returns A function that ends it.
 * @throws Error if the user does not allow it.
 */
export async function followDevice(onView, browser = window) {
  const { DeviceOrientationEvent: Orientation } = browser;
  if (typeof Orientation.requestPermission === "function") {
    const answer = await Orientation.requestPermission();
    if (answer !== "granted") throw new Error("The browser does not tell how the device is held");
  }
  let origin = null;
  const listener = ({ alpha, beta, gamma }) => {
    if (alpha === null) return;
    const screen = (browser.screen?.orientation?.angle ?? 0) * DEGREE;
    const view = viewOfDevice(alpha * DEGREE, beta * DEGREE, gamma * DEGREE, screen);
    origin ??= view.azimuth;
    onView({ ...view, azimuth: view.azimuth - origin });
  };
  browser.addEventListener("deviceorientation", listener);
  return () => browser.removeEventListener("deviceorientation", listener);
}

/** Say whether the browser has a headset. */
export async function hasHeadset(xr = navigator.xr) {
  return Boolean(await xr?.isSessionSupported?.("immersive-vr").catch(() => false));
}

/**
 * Show the sphere in a headset until the user leaves it.
 *
 * @param renderer - SphereRenderer.
 * @param getFrame - Returns what `render` takes, without the rays; called once for each frame.
 * @param onPose - Called with {azimuth, elevation, roll} of the head.
 * @param onEnd - Called when the session has ended.
 * @param makeLayer - Makes the layer of a session; for tests.
 * @returns The session.
 */
export async function enterHeadset({
  renderer, getFrame, onPose, onEnd, xr = navigator.xr,
  makeLayer = (session, gl) => new XRWebGLLayer(session, gl),
}) {
  const { gl } = renderer;
  const session = await xr.requestSession("immersive-vr");
  await gl.makeXRCompatible?.();
  await session.updateRenderState({ baseLayer: makeLayer(session, gl) });
  const space = await session.requestReferenceSpace("local");
  const draw = (_, xrFrame) => {
    session.requestAnimationFrame(draw);
    const pose = xrFrame.getViewerPose(space);
    if (!pose) return;
    onPose(viewOfQuaternion(pose.transform.orientation));
    const layer = session.renderState.baseLayer;
    const frame = getFrame();
    gl.bindFramebuffer(gl.FRAMEBUFFER, layer.framebuffer);
    for (const eye of pose.views) {
      const { x, y, width, height } = layer.getViewport(eye);
      const rays = raysOfEye(eye.projectionMatrix, eye.transform.orientation);
      renderer.render({ ...frame, rays, flat: null }, [x, y, width, height]);
    }
  };
  session.addEventListener("end", () => {
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    onEnd();
  });
  session.requestAnimationFrame(draw);
  return session;
}
