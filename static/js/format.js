// Numbers as live/templatetags/wv.py writes them; the two are held together by tests/unit/static/test_format_parity.py.
import { word } from "./words.js";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const PARTS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** Bytes → ["5.1", "GiB"]. */
export function scaled(value, point = decimalPoint()) {
  let size = Number(value), step = 0;
  while (Math.abs(size) >= 1023.95 && step < UNITS.length - 1) { size /= 1024; step++; }
  return [step ? short(size, point) : String(Math.round(size)), UNITS[step]];
}

/** Used of total in the total's unit → ["5.1", "/ 8 GiB"]. */
export function usedOf(used, total, point = decimalPoint()) {
  const [whole, unit] = scaled(total, point);
  return [short(used / 1024 ** UNITS.indexOf(unit), point), `/ ${whole} ${unit}`];
}

/** Seconds → one part: "41 d". */
export function coarse(seconds, name = word) {
  const whole = Math.max(0, Math.floor(seconds));
  const [size, part] = PARTS.find(([size]) => whole >= size) ?? PARTS.at(-1);
  return `${Math.floor(whole / size)} ${name(part)}`;
}

/** Number and quiet unit into an element, touching only the text when the unit stays. */
export function put(element, number, unit) {
  const quiet = element.lastElementChild;
  if (quiet?.className === "wv-u" && quiet.textContent === unit && element.firstChild.nodeType === Node.TEXT_NODE) {
    if (element.firstChild.data !== number) element.firstChild.data = number;
    return;
  }
  const span = document.createElement("span");
  span.className = "wv-u";
  span.textContent = unit;
  element.replaceChildren(number, span);
}

/** Bytes per second into an element; nothing moved is a quiet 0, nothing known a quiet –. */
export function putRate(element, value) {
  if (value === null || value < 1) return putQuiet(element, value === null ? "–" : "0");
  const [number, unit] = scaled(value);
  put(element, number, `${unit}/s`);
}

export function putQuiet(element, text) {
  if (element.firstElementChild?.className === "wv-mute" && element.textContent === text) return;
  const span = document.createElement("span");
  span.className = "wv-mute";
  span.textContent = text;
  element.replaceChildren(span);
}

function short(size, point) {
  const text = Math.abs(size) < 99.95 ? size.toFixed(1) : String(Math.round(size));
  return text.replace(/\.0$/, "").replace(".", point);
}

function decimalPoint() { return document.getElementById("wv-words")?.dataset.point ?? "."; }
