// Pushed numbers into the cells of one machine's row, without asking the server. A pushed row is
// [at_ms, cpu_percent, memory_used, memory_total, disk_read, disk_write, net_in, net_out]; unknown is null.
// The sparkline is one path of at most 24 points, 25 s each (see the `spark` tag): new samples raise the last point, then push.
import { put, putQuiet, putRate, usedOf } from "./format.js";

const POINTS = 24, STEP_MS = 25_000, HOT = 85;
const sparks = new WeakMap();      // svg → {points, step}

export function showNumbers(row, [at, cpu, used, total, read, write, inwards, outwards]) {
  each(row, "cpu", (cell) => (cpu === null ? putQuiet(cell, "–") : put(cell, String(Math.round(cpu)), "%")));
  const spark = row.querySelector(".wv-spark");
  if (spark && cpu !== null) pushSpark(spark, at, cpu);
  each(row, "mem", (cell) => {
    if (used === null || !total) return;
    const meter = cell.querySelector("meter"), text = cell.querySelector(".wv-num");
    if (meter) meter.value = Math.round(100 * used / total);
    if (text) put(text, ...usedOf(used, total));
  });
  each(row, "disk", (cell) => putRate(cell, sum(read, write)));
  each(row, "net", (cell) => putRate(cell, sum(inwards, outwards)));
}

export function pushSpark(svg, at, percent) {
  const path = svg.firstElementChild, step = Math.floor(at / STEP_MS);
  const state = sparks.get(svg) ?? { points: parsed(path.getAttribute("d")), step };
  sparks.set(svg, state);
  const value = Math.min(100, Math.max(0, Math.round(percent)));
  if (step === state.step && state.points.length) state.points[state.points.length - 1] = Math.max(value, state.points.at(-1));
  else state.points.push(value);
  state.step = step;
  state.points = state.points.slice(-POINTS);
  path.setAttribute("d", drawn(state.points));
  const last = state.points.slice(-4);
  svg.classList.toggle("is-hot", last.reduce((a, b) => a + b, 0) >= HOT * last.length);
}

/** "M21 120V97L21 97 22 96 23 10H29V120" → [3, 4, 90] */
export function parsed(d) {
  const line = /L([\d .-]+)H/.exec(d ?? "")?.[1].trim().split(/\s+/).map(Number) ?? [];
  return line.filter((_, index) => index % 2).map((y) => 100 - y);
}

export function drawn(points) {
  const start = POINTS - points.length;
  return `M${start || -6} 120V${100 - points[0]}L${points.map((p, i) => `${start + i} ${100 - p}`).join(" ")}H29V120`;
}

function each(row, name, deed) { row.querySelectorAll(`[data-n="${name}"]`).forEach(deed); }
function sum(a, b) { return a === null && b === null ? null : (a ?? 0) + (b ?? 0); }
