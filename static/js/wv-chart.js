// <figure class="wv-chart"><figcaption><h3>Disk</h3><span class="wv-key">read</span><span class="wv-key is-2">write</span><b data-now></b></figcaption>
//   <wv-chart src="/machines/42/metrics/?range=1h" topic="machine:42" series="rd wr" unit="rate" [max="100"] window="3600" label="Disk of db-1"></wv-chart></figure>
//
// Draws the last `window` seconds with uPlot. `src` answers {"at": [s, …], "cpu": […], "mem": […], "mem_total": n, "rd": […],
// "wr": […], "rx": […], "tx": […]}; charts with the same src share one request. For windows up to an hour pushed numbers of `topic` are
// appended. unit: percent, bytes, rate. The figure's [data-now] shows the newest value. A summary is its aria-label.
import { put, scaled, usedOf } from "./format.js";
import { subscribe } from "./live.js";
import { word } from "./words.js";

const PLACE = { cpu: 1, mem: 2, mem_total: 3, rd: 4, wr: 5, rx: 6, tx: 7 };     // in a pushed row
const requests = new Map();        // src → promise of its data, for the charts that come up together

class WvChart extends HTMLElement {
  static ownsChildren = true;      // for morph.js
  static observedAttributes = ["src", "series", "window", "max"];
  #plot = null; #data = null; #total = 0; #cancel = null; #resizer = null; #tip = null; #shown = null; #started = 0;

  connectedCallback() {
    this.setAttribute("role", "img");
    this.#resizer = new ResizeObserver(() => this.#plot?.setSize(this.#size()));
    this.#resizer.observe(this);
    document.addEventListener("wv:theme", this);
    if (this.hasAttribute("topic")) this.#cancel = subscribe([`numbers:${this.getAttribute("topic")}`], { numbers: (kind, id, row) => this.push(row), catchUp: () => this.#start() });
    this.#start();
  }

  disconnectedCallback() {
    this.#cancel?.();
    this.#resizer.disconnect();
    document.removeEventListener("wv:theme", this);
    this.#plot?.destroy();
    this.#plot = null;
    this.#started++;
  }

  attributeChangedCallback(name, old) { if (old !== null && this.isConnected) this.#start(); }
  handleEvent() { if (this.#data) this.#draw(); }

  get series() { return this.getAttribute("series").split(" "); }
  get seconds() { return Number(this.getAttribute("window") ?? 3600); }
  get unit() { return this.getAttribute("unit"); }

  async #start() {
    const mine = ++this.#started, [{ default: uPlot }, body] = await Promise.all([import("../vendor/uplot.js"), shared(this.getAttribute("src"))]);
    if (mine !== this.#started) return;
    this.uPlot = uPlot;
    this.#total = body.mem_total ?? 0;
    const times = body.at ?? [];
    this.#data = [times, ...this.series.map((name) => body[name] ?? times.map(() => null))];
    this.#draw();
    this.#tell();
  }

  /** One pushed row [at_ms, cpu, …]; a longer window than an hour has coarser points than these. */
  push(row) {
    if (!this.#data || this.seconds > 3600) return;
    const at = row[0] / 1000, [times] = this.#data;
    if (times.length && at <= times.at(-1)) return;
    this.#total = row[PLACE.mem_total] ?? this.#total;
    times.push(at);
    this.series.forEach((name, index) => this.#data[index + 1].push(row[PLACE[name]]));
    const old = times.findIndex((time) => time >= at - this.seconds);
    if (old > 0) this.#data.forEach((column) => column.splice(0, old));
    if (!this.#plot) this.#draw();
    else { this.#plot.setData(this.#drawn(), false); this.#plot.setScale("x", this.#span()); }
    this.#tell();
  }

  #draw() {
    this.#plot?.destroy();
    this.#plot = null;
    if (!this.#data[0].length) { this.replaceChildren(Object.assign(document.createElement("p"), { className: "wv-chart-none", textContent: word("nothing") })); return; }
    this.#tip = Object.assign(document.createElement("div"), { className: "wv-chart-tip" });
    this.replaceChildren(this.#tip);
    this.#plot = new this.uPlot(this.#options(), this.#drawn(), this);
    this.#plot.setScale("x", this.#span());
  }

  #options() {
    const color = (name) => getComputedStyle(this).getPropertyValue(`--wv-${name}`).trim();
    const axis = { stroke: color("ink-3"), font: `10.5px ${getComputedStyle(this).fontFamily}`, ticks: { show: false } };
    const lines = [{ stroke: color("bar"), width: 1.5, fill: `color-mix(in oklab, ${color("bar")} 14%, transparent)` }, { stroke: color("ink-3"), width: 1.25, dash: [3, 2] }];
    return {
      ...this.#size(), padding: [6, 2, 0, 0], legend: { show: false },
      cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
      scales: { y: { range: (plot, low, high) => [0, this.#top(high)] } },
      axes: [
        { ...axis, size: 18, gap: 3, space: 46, grid: { show: false }, values: (plot, ticks, index, space, step) => ticks.map((tick) => this.#clock(tick, step)) },
        { ...axis, size: this.unit === "percent" ? 30 : 46, gap: 5, space: 32, grid: { stroke: color("line"), width: 1 }, splits: (plot, index, low, high) => [0, high / 2, high], values: (plot, ticks) => ticks.map((tick) => this.#short(tick)) },
      ],
      series: [{}, ...this.series.map((name, index) => ({ ...lines[index], points: { show: false }, spanGaps: false }))],
      hooks: { setCursor: [(plot) => this.#point(plot)] },
    };
  }

  /** At most a point every 3 px, each the mean of what it stands for: more would only be noise. */
  #drawn() {
    const width = Math.ceil(this.seconds / Math.max(40, this.clientWidth / 3)), [times, ...columns] = this.#data;
    if (times.length * width < this.seconds * 1.5) return this.#shown = this.#data;
    const bins = Map.groupBy(times.keys(), (index) => Math.floor(times[index] / width));
    const mean = (column, indexes) => {
      const known = indexes.map((index) => column[index]).filter((value) => typeof value === "number");
      return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
    };
    const groups = [...bins.values()];
    return this.#shown = [groups.map((indexes) => times[indexes.at(-1)]), ...columns.map((column) => groups.map((indexes) => mean(column, indexes)))];
  }

  #size() { return { width: Math.max(80, this.clientWidth), height: Math.max(60, this.clientHeight) }; }

  #span() {
    const end = this.#data[0].at(-1);
    return { min: end - this.seconds, max: end };
  }

  /** The top of the scale: what is given, the machine's memory, or a round number above the highest. */
  #top(high) {
    if (this.hasAttribute("max")) return Number(this.getAttribute("max"));
    if (this.unit === "bytes" && this.#total) return this.#total;
    const floor = Math.max(high ?? 0, this.unit === "percent" ? 10 : 1024), base = this.unit === "percent" ? 10 ** Math.floor(Math.log10(floor)) : 1024 ** Math.floor(Math.log(floor) / Math.log(1024));
    return [1, 2, 4, 5, 10, 20, 40, 50, 100, 200, 400, 500, 1000, 1024].map((step) => step * base).find((step) => step >= floor) ?? floor;
  }

  #clock(seconds, step) {
    const style = step >= 86_400 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hour12: false };
    return new Intl.DateTimeFormat(document.documentElement.lang, style).format(seconds * 1000);
  }

  #short(value) { return this.unit === "percent" ? `${Math.round(value)}` : value ? this.#parts(value).join(" ").replace("/s", "") : "0"; }

  #parts(value) {
    if (this.unit === "percent") return [String(Math.round(value)), "%"];
    const [number, unit] = scaled(value);
    return [number, this.unit === "rate" ? `${unit}/s` : unit];
  }

  #point(plot) {
    const index = plot.cursor.idx;
    if (index === null || index === undefined || plot.cursor.left < 0) { this.#tip.textContent = ""; return; }
    const values = this.series.map((name, column) => this.#shown[column + 1][index]).map((value) => (value === null || value === undefined ? "–" : this.#parts(value).join(" ")));
    this.#tip.textContent = `${new Date(this.#shown[0][index] * 1000).toLocaleTimeString(document.documentElement.lang)} · ${values.join(" / ")}`;
    const isRight = plot.cursor.left > this.clientWidth / 2;
    this.#tip.style.left = isRight ? "" : `${plot.cursor.left + 56}px`;
    this.#tip.style.right = isRight ? `${this.clientWidth - plot.cursor.left - 20}px` : "";
  }

  /** The newest values as text: beside the title and for screen readers. */
  #tell() {
    const values = this.#data.slice(1).map((column) => column.at(-1)).filter((value) => typeof value === "number");
    const now = this.closest("figure")?.querySelector("[data-now]");
    if (now && values.length) {
      const sum = values.reduce((a, b) => a + b, 0), isShare = this.unit === "bytes" && this.#total;
      put(now, ...(isShare ? usedOf(sum, this.#total) : this.#parts(sum)));
    }
    this.setAttribute("aria-label", `${this.getAttribute("label") ?? ""}: ${values.map((value) => this.#parts(value).join(" ")).join(" / ") || word("nothing")}`);
  }
}

function shared(src) {
  if (!requests.has(src)) {
    requests.set(src, fetch(src, { headers: { Accept: "application/json" }, credentials: "same-origin" }).then((answer) => (answer.ok ? answer.json() : {}), () => ({})));
    setTimeout(() => requests.delete(src), 2_000);
  }
  return requests.get(src).then((body) => structuredClone(body));
}

customElements.define("wv-chart", WvChart);
