// Numbers and times as people read them.

/** Return "1:02:05" or "2:05" for seconds. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Return a number with three to four significant digits and its unit. */
export function quantity(value, unit = "") {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 1000 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const text = size !== 0 && size < 0.001 ? value.toExponential(1) : String(Number(value.toFixed(digits)));
  const shown = text.replace(/^-/, "−");
  if (!unit) return shown;
  return unit === "%" || unit === "°" ? `${shown}${unit}` : `${shown} ${unit}`;
}

/** Return a count with separators of thousands. */
export function count(value) {
  return value.toLocaleString("en");
}

/** Return "30 Nov 2026, 10:12" for an ISO 8601 time, in the time zone of the user. */
export function moment(text) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return String(text ?? "");
  return time.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
