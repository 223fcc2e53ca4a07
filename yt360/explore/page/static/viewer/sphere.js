/** Draws equirectangular video and its layers by WebGL2, as a sphere from within or flat. */

import { CAM_STOPS, ENERGY_STOPS, rampBytes } from "./colors.js";
import { FRAGMENT, VERTEX } from "./shaders.js";

const SAMPLERS = [
  "video", "energyBefore", "energyAfter", "camBefore", "camAfter", "ramps", "labels", "palette",
];
const UNIFORMS = [
  "rays", "isFlat", "flatScale", "background", "hasVideo", "energyMix", "camMix", "energyOpacity",
  "camOpacity", "labelOpacity",
];

/**
 * Renderer of one canvas.
 *
 * Images are set by `setVideo`, `setMap` and `setLabels` and stay until they are replaced, so there
 * is a fixed number of textures however many clips are shown. After a lost context everything must
 * be set again: `onRestored` is called.
 */
export class SphereRenderer {
  /**
   * @param canvas - HTMLCanvasElement or OffscreenCanvas.
   * @param onRestored - Called without arguments.
   * @throws Error if there is no WebGL2.
   */
  constructor(canvas, { onRestored = () => {} } = {}) {
    this.canvas = canvas;
    const options = { alpha: false, antialias: false, depth: false, xrCompatible: false };
    this.gl = canvas.getContext("webgl2", options);
    if (!this.gl) throw new Error("this browser has no WebGL2");
    this.lost = false;
    this.onLost = (event) => {
      event.preventDefault();
      this.lost = true;
    };
    this.onBack = () => {
      this.lost = false;
      this.#prepare();
      onRestored();
    };
    canvas.addEventListener("webglcontextlost", this.onLost);
    canvas.addEventListener("webglcontextrestored", this.onBack);
    this.#prepare();
  }

  /** Show a video's current frame or another image source, or nothing if null. */
  setVideo(source) {
    this.hasVideo = Boolean(source);
    if (!source || this.lost) return;
    const { gl } = this;
    this.#bind("video");
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
  }

  /**
   * Set a map of strengths, one byte a pixel.
   *
   * @param name - "energyBefore", "energyAfter", "camBefore", "camAfter" or "labels".
   * @param bytes - Uint8Array of rows times columns.
   */
  setMap(name, bytes, rows, columns) {
    if (this.lost) return;
    const { gl } = this;
    this.#bind(name);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(
      gl.TEXTURE_2D, 0, gl.R8, columns, rows, 0, gl.RED, gl.UNSIGNED_BYTE, bytes,
    );
  }

  /** Set the colours of class numbers: 256 times RGBA. */
  setPalette(bytes) {
    this.#image("palette", bytes, 256, 1);
  }

  /**
   * Draw.
   *
   * @param frame.rays - See `raysOfView`; not needed if flat.
   * @param frame.flat - Null, or the [horizontal, vertical] part of the picture that the panorama
   *     covers.
   * @param frame.energy, frame.cam - {mix, opacity}.
   * @param frame.labelOpacity - 0 to 1.
   * @param viewport - [x, y, width, height] in pixels; by default all.
   */
  render(frame, viewport = null) {
    if (this.lost) return;
    const { gl, at } = this;
    gl.viewport(...(viewport ?? [0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight]));
    gl.useProgram(this.program);
    gl.uniformMatrix3fv(at.rays, true, frame.rays ?? [1, 0, 0, 0, 1, 0, 0, 0, 1]);
    gl.uniform1i(at.isFlat, frame.flat ? 1 : 0);
    gl.uniform2fv(at.flatScale, frame.flat ?? [1, 1]);
    gl.uniform3fv(at.background, frame.background ?? [0.04, 0.045, 0.06]);
    gl.uniform1i(at.hasVideo, this.hasVideo ? 1 : 0);
    gl.uniform1f(at.energyMix, frame.energy?.mix ?? 0);
    gl.uniform1f(at.energyOpacity, frame.energy?.opacity ?? 0);
    gl.uniform1f(at.camMix, frame.cam?.mix ?? 0);
    gl.uniform1f(at.camOpacity, frame.cam?.opacity ?? 0);
    gl.uniform1f(at.labelOpacity, frame.labelOpacity ?? 0);
    gl.bindVertexArray(this.corners);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Free all that the graphics processor holds. */
  dispose() {
    this.canvas.removeEventListener("webglcontextlost", this.onLost);
    this.canvas.removeEventListener("webglcontextrestored", this.onBack);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  #prepare() {
    const { gl } = this;
    this.hasVideo = false;
    this.program = linkProgram(gl, VERTEX, FRAGMENT);
    this.at = Object.fromEntries(
      UNIFORMS.map((name) => [name, gl.getUniformLocation(this.program, name)]),
    );
    this.corners = gl.createVertexArray();
    gl.bindVertexArray(this.corners);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    // One triangle that covers the picture.
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(this.program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    gl.useProgram(this.program);
    SAMPLERS.forEach((name, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.REPEAT);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
      gl.uniform1i(gl.getUniformLocation(this.program, name), unit);
    });
    this.#image("ramps", new Uint8Array([...rampBytes(ENERGY_STOPS), ...rampBytes(CAM_STOPS)]), 256, 2);
    this.setPalette(new Uint8Array(4 * 256));
    for (const name of ["energyBefore", "energyAfter", "camBefore", "camAfter", "labels"]) {
      this.setMap(name, new Uint8Array(2), 1, 2);
    }
    this.#image("video", new Uint8Array(8), 2, 1);
  }

  #bind(name) {
    this.gl.activeTexture(this.gl.TEXTURE0 + SAMPLERS.indexOf(name));
  }

  #image(name, bytes, width, height) {
    if (this.lost) return;
    const { gl } = this;
    this.#bind(name);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    gl.texImage2D(
      gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, bytes,
    );
  }
}

/** Return a program of two shaders. */
function linkProgram(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the shader does not link: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}
