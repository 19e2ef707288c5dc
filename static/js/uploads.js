// Files on their way to the server by tus 1.0 (https://tus.io/protocols/resumable-upload), two at a time. They live as long as the page,
// whether or not an element shows them: wv-upload.js. What breaks is asked for and begun again at the offset that the server has.
//
// `uploads.list` holds Upload objects; events on `uploads`: "change" {detail: upload} · "list".
// An upload's `state`: waits · sends · paused · again (the link or the server is away) · checks · done · failed · cancelled
import { isSignedOut, signedOut } from "./fragment.js";

const AT_ONCE = 2, LEAST_CHUNK = 256 * 1024, LOOK_MS = 700, RATE_MS = 5000, LONGEST_PAUSE_MS = 15000;
const TUS = { "Tus-Resumable": "1.0.0", "WV-Async": "1" };

/** The server said no, and trying again does not help. */
class No extends Error {}

class Uploads extends EventTarget {
  list = [];
  chunkBytes = 8 * 1024 * 1024;
  token = "";    // of the page's forms

  get active() { return this.list.filter((upload) => ["waits", "sends", "again", "checks"].includes(upload.state)); }

  add(upload) {
    this.list.push(upload);
    this.dispatchEvent(new Event("list"));
    this.next();
  }

  remove(upload) {
    this.list = this.list.filter((each) => each !== upload);
    this.dispatchEvent(new Event("list"));
  }

  next() {
    const busy = this.list.filter((upload) => upload.state === "sends" || upload.state === "again").length;
    this.list.filter((upload) => upload.state === "waits").slice(0, Math.max(0, AT_ONCE - busy)).forEach((upload) => upload.run());
  }

  told(upload) {
    window[this.active.length ? "addEventListener" : "removeEventListener"]("beforeunload", warn);
    this.dispatchEvent(new CustomEvent("change", { detail: upload }));
    this.next();
  }
}

const warn = (event) => { event.preventDefault(); };
export const uploads = new Uploads();

export class Upload {
  state = "waits"; offset = 0; error = ""; phase = ""; volume = ""; digest = ""; warning = ""; job = "";
  #stop = null; #chunk = 1024 * 1024; #points = [];

  /** `pool`: the address that makes uploads; `url`: of one that was begun already. */
  constructor(file, { pool = "", name = file.name, checksum = "", url = "" }) {
    Object.assign(this, { file, pool, name, checksum, url });
  }

  /** Bytes per second over the last seconds, 0 while unknown. */
  get rate() {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    return first && last.at - first.at > 800 ? 1000 * (last.offset - first.offset) / (last.at - first.at) : 0;
  }

  async run() {
    this.#stop = new AbortController();
    this.#points = [];
    let pause = 500;
    for (let known = false; ;) {
      try {
        this.#become("sends");
        if (!this.url) await this.#create();
        if (!known) { await this.#ask(); known = true; }
        while (this.offset < this.file.size) { await this.#bring(); pause = 500; }
        if (await this.#watch()) return;
        known = false;
      } catch (error) {
        if (error.name === "AbortError") return;
        if (error instanceof No) { this.#become("failed", error.message); return; }
        known = false;
        this.#become("again");
        try { await rest(pause, this.#stop.signal); } catch { return; }
        pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
      }
    }
  }

  pause() {
    this.#stop?.abort();
    this.#become("paused");
  }

  resume() { this.#become("waits"); }

  /** Again after a refusal, perhaps by another name. */
  retry(name) {
    Object.assign(this, { name, error: "" });
    this.#become("waits");
  }

  async cancel() {
    this.#stop?.abort();
    this.#become("cancelled");
    if (this.url) await fetch(this.url, { method: "DELETE", headers: this.#headers(), credentials: "same-origin" }).catch(() => {});
  }

  // ── steps ──

  async #create() {
    const told = { name: this.name, filename: this.file.name, modified: String(this.file.lastModified), checksum: this.checksum };
    const metadata = Object.entries(told).filter(([, value]) => value).map(([name, value]) => `${name} ${base64(value)}`).join(",");
    const response = await this.#send("POST", this.pool, { "Upload-Length": String(this.file.size), "Upload-Metadata": metadata });
    if (response.status !== 201) throw await refusal(response);
    this.url = response.headers.get("Location");
    this.job = response.headers.get("WV-Job");
    document.dispatchEvent(new CustomEvent("wv:job", { detail: { id: this.job } }));
  }

  async #ask() {
    const response = await this.#send("HEAD", this.url);
    if (!response.ok) throw await refusal(response, await this.#why());
    this.#reached(Number(response.headers.get("Upload-Offset")));
  }

  /** Chunks as large as go in about two seconds: a slow link loses little, a fast one is not held up. */
  async #bring() {
    const body = this.file.slice(this.offset, this.offset + this.#chunk), from = performance.now();
    await readable(body);
    const headers = { "Upload-Offset": String(this.offset), "Content-Type": "application/offset+octet-stream" };
    const response = await this.#send("PATCH", this.url, headers, body);
    if (response.status !== 204) throw await refusal(response, response.status === 410 ? await this.#why() : "");
    const took = performance.now() - from;
    if (took < 2000) this.#chunk = Math.min(uploads.chunkBytes, this.#chunk * 2);
    if (took > 6000) this.#chunk = Math.max(LEAST_CHUNK, this.#chunk / 2);
    this.#reached(Number(response.headers.get("Upload-Offset")));
  }

  /** All is brought: until the host has it and it was looked at. False: the server lost some, and wants it again. */
  async #watch() {
    this.#become("checks");
    for (;;) {
      const response = await this.#send("GET", this.url);
      if (!response.ok) throw await refusal(response);
      const now = await response.json();
      if (now.state === "done") { Object.assign(this, { volume: now.volume, digest: now.sha256, warning: now.warning }); this.#become("done"); return true; }
      if (now.state === "cancelled") { this.#become("cancelled"); return true; }
      if (now.state !== "queued" && now.state !== "running") throw new No(now.error);
      if (now.offset < this.file.size) return false;
      if (now.phase !== this.phase) { this.phase = now.phase; uploads.told(this); }
      await rest(LOOK_MS, this.#stop.signal);
    }
  }

  async #why() {
    const response = await this.#send("GET", this.url);
    return response.ok ? (await response.json()).error : "";
  }

  async #send(method, url, headers = {}, body = undefined) {
    const response = await fetch(url, { method, body, headers: { ...this.#headers(), ...headers }, credentials: "same-origin", signal: this.#stop.signal });
    if (isSignedOut(response)) { signedOut(); throw new Error("signed out"); }
    return response;
  }

  #headers() { return { ...TUS, "X-CSRFToken": uploads.token }; }

  #reached(offset) {
    const now = performance.now();
    this.offset = offset;
    this.#points = [...this.#points.filter((point) => now - point.at < RATE_MS && point.offset <= offset), { at: now, offset }];
    uploads.told(this);
  }

  #become(state, error = "") {
    if (this.state === state && this.error === error) return;
    Object.assign(this, { state, error });
    uploads.told(this);
  }
}

/** An Error for what may pass (no answer, no room, another offset), a No for what will not. */
async function refusal(response, why = "") {
  if ([409, 423, 429, 460].includes(response.status) && response.headers.has("Tus-Resumable") && response.url.match(/uploads\/[0-9a-f-]{36}\//)) return new Error("later");
  if (response.status >= 500) return new Error("later");
  const text = why || await response.text();
  return new No(/^\s*</.test(text) || !text ? `HTTP ${response.status}` : text);
}

/** A file that was moved or changed on the disk can't be read any more: no reason to try for ever. */
async function readable(blob) {
  try { await blob.slice(0, 1).arrayBuffer(); } catch (error) { throw new No(error.message); }
}

function rest(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("", "AbortError")); }, { once: true });
  });
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
