/**
 * The shader of the sphere and the flat mode.
 *
 * Each pixel computes its direction and reads the equirectangular images there, so there is no mesh,
 * no seam and no distortion at the poles. Images are interpolated as by `sample_equirect` of
 * `yt360/sphere.py`: they wrap in u, and continue beyond a pole at the azimuth plus pi.
 */

export const VERTEX = `#version 300 es
in vec2 corner;
out vec2 plane;
void main() {
  plane = corner;
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2D;
const float PI = 3.14159265358979;

in vec2 plane;
out vec4 color;

uniform mat3 rays;        // from (right, up, 1) to directions
uniform bool isFlat;
uniform vec2 flatScale;   // part of the picture that the image's half covers, to each side
uniform vec3 background;

uniform sampler2D video;
uniform bool hasVideo;

// Maps of strength: audio energy and Grad-CAM, each between two times.
uniform sampler2D energyBefore, energyAfter, camBefore, camAfter;
uniform float energyMix, camMix;
uniform float energyOpacity, camOpacity;
uniform sampler2D ramps;  // row 0: energy, row 1: Grad-CAM

uniform sampler2D labels;   // class numbers / 255
uniform sampler2D palette;  // color of each class; alpha 0: not drawn
uniform float labelOpacity;

ivec2 onSphere(ivec2 at, ivec2 size) {
  if (at.y < 0) at = ivec2(at.x + size.x / 2, -1 - at.y);
  if (at.y >= size.y) at = ivec2(at.x + size.x / 2, 2 * size.y - 1 - at.y);
  return ivec2((at.x % size.x + size.x) % size.x, clamp(at.y, 0, size.y - 1));
}

vec4 smoothAt(sampler2D image, vec2 uv) {
  ivec2 size = textureSize(image, 0);
  vec2 at = uv * vec2(size) - 0.5;
  // Away from the poles the texture unit does the same, and faster.
  if (at.y >= 0.0 && at.y <= float(size.y - 1)) return textureLod(image, uv, 0.0);
  ivec2 first = ivec2(floor(at));
  vec2 part = at - vec2(first);
  vec4 a = texelFetch(image, onSphere(first, size), 0);
  vec4 b = texelFetch(image, onSphere(first + ivec2(1, 0), size), 0);
  vec4 c = texelFetch(image, onSphere(first + ivec2(0, 1), size), 0);
  vec4 d = texelFetch(image, onSphere(first + ivec2(1, 1), size), 0);
  return mix(mix(a, b, part.x), mix(c, d, part.x), part.y);
}

int classAt(vec2 uv) {
  ivec2 size = textureSize(labels, 0);
  ivec2 at = onSphere(ivec2(floor(uv * vec2(size))), size);
  return int(texelFetch(labels, at, 0).r * 255.0 + 0.5);
}

vec3 drawn(vec3 under, sampler2D before, sampler2D after, float part, float opacity, int ramp,
           vec2 uv) {
  float strength = mix(smoothAt(before, uv).r, smoothAt(after, uv).r, part);
  vec3 over = texelFetch(ramps, ivec2(int(strength * 255.0 + 0.5), ramp), 0).rgb;
  // First-order beams are wide: the exponent leaves the picture visible around the maximum.
  return mix(under, over, opacity * pow(strength, 8.0));
}

void main() {
  vec2 uv;
  if (isFlat) {
    uv = 0.5 + 0.5 * vec2(plane.x, -plane.y) / flatScale;
    if (any(lessThan(uv, vec2(0.0))) || any(greaterThan(uv, vec2(1.0)))) {
      color = vec4(background, 1.0);
      return;
    }
  } else {
    vec3 ray = rays * vec3(plane, 1.0);
    uv = vec2(0.5 - atan(ray.y, ray.x) / (2.0 * PI),
              0.5 - atan(ray.z, length(ray.xy)) / PI);
  }
  vec3 shown = hasVideo ? smoothAt(video, uv).rgb : background;
  if (labelOpacity > 0.0) {
    int label = classAt(uv);
    vec4 own = texelFetch(palette, ivec2(label, 0), 0);
    shown = mix(shown, own.rgb, own.a * labelOpacity);
  }
  if (camOpacity > 0.0) shown = drawn(shown, camBefore, camAfter, camMix, camOpacity, 1, uv);
  if (energyOpacity > 0.0) {
    shown = drawn(shown, energyBefore, energyAfter, energyMix, energyOpacity, 0, uv);
  }
  color = vec4(shown, 1.0);
}`;
