/** The state of a viewer as plain values: what links keep and two viewers in step share. */

import { MODES } from "./binaural.js";
import { DEGREE } from "./projection.js";

/** Another viewer of the same clip that is closer in time, in seconds, is in step. */
const IN_STEP_S = 0.03;

/** Return {t, yaw, pitch, fov, playing, mode, sound, speed, loop, muted}; angles in degrees. */
export function readState(viewer) {
  const { azimuth, elevation, fov } = viewer.look;
  return {
    t: viewer.player.time(), yaw: azimuth / DEGREE, pitch: elevation / DEGREE, fov: fov / DEGREE,
    playing: viewer.player.playing, mode: viewer.mode, sound: viewer.soundMode,
    speed: viewer.player.speed, loop: viewer.player.loop, muted: viewer.muted,
  };
}

/** Take mode, sound and direction of a state. */
export function takeView(viewer, state) {
  const { act, look } = viewer;
  if (["sphere", "flat"].includes(state.mode) && viewer.renderer) viewer.mode = state.mode;
  if (MODES.includes(state.sound) && state.sound !== viewer.soundMode) act.setSound(state.sound);
  if (state.muted !== undefined && state.muted !== viewer.muted) act.toggleMute();
  if (Number.isFinite(state.fov)) {
    look.fov = state.fov * DEGREE;
    look.zoom(1);
  }
  if (!Number.isFinite(state.yaw) && !Number.isFinite(state.pitch)) return;
  const azimuth = Number.isFinite(state.yaw) ? state.yaw * DEGREE : look.azimuth;
  const elevation = Number.isFinite(state.pitch) ? state.pitch * DEGREE : look.elevation;
  act.turn({ azimuth, elevation });
}

/** Take time, speed, repetition and playing of a state. */
export async function takePlaying(viewer, state) {
  const { player } = viewer;
  if (Number.isFinite(state.speed) && state.speed > 0) player.setSpeed(state.speed);
  if (state.loop !== undefined) player.setLoop(Boolean(state.loop));
  if (state.playing === false) player.pause();
  if (Number.isFinite(state.t)) {
    const apart = Math.abs(state.t - player.time());
    const around = Math.min(apart, Math.abs(player.duration - apart));
    if (player.running && around > IN_STEP_S) player.follow(state.t);
    if (!player.running && apart > 0.5 / player.fps) await player.seek(state.t);
  }
  if (state.playing === true && !player.playing) await viewer.play();
}
