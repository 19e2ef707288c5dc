// <wv-screen src="/machines/42/screen/" state="live" label="Screen of db-1" data-off="It is off." data-wait="…"></wv-screen>
//
// What a machine shows, renewed every three seconds while somebody can see it: a hidden tab or a scrolled-away picture asks
// for nothing. `src` answers 200 with a picture, 304 when it is the one already shown, 204 when there is none (WV-Problem says
// why). With state="off" (off, or its host is silent) the last picture stays, dimmed, or the words of data-off stand there.
const EVERY_MS = 3_000, SOON_MS = 700, TRIES_SOON = 6;

class WvScreen extends HTMLElement {
  static ownsChildren = true;      // for morph.js
  static observedAttributes = ["state", "data-off"];
  #timer = 0; #tag = ""; #url = ""; #seen = false; #eye = null; #tries = 0; #request = null;

  connectedCallback() {
    this.setAttribute("role", "img");
    this.setAttribute("aria-label", this.getAttribute("label") ?? "");
    this.#eye = new IntersectionObserver(([entry]) => { this.#seen = entry.isIntersecting; this.#go(); });
    this.#eye.observe(this);
    document.addEventListener("visibilitychange", this);
    this.#tell();
  }

  disconnectedCallback() {
    this.#eye.disconnect();
    this.#request?.abort();
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this);
    URL.revokeObjectURL(this.#url);
  }

  attributeChangedCallback(name, old, now) {
    if (!this.isConnected || old === now) return;
    this.#tries = 0;
    this.#tell();
    this.#go();
  }

  handleEvent() { this.#go(); }

  get #isLive() { return this.getAttribute("state") === "live"; }
  get #isWanted() { return this.#isLive && this.#seen && !document.hidden; }

  #go(delay = 0) {
    clearTimeout(this.#timer);
    if (this.#isWanted) this.#timer = setTimeout(() => this.#look(), delay);
  }

  async #look() {
    this.#request?.abort();
    this.#request = new AbortController();
    try {
      const answer = await fetch(this.getAttribute("src"), { credentials: "same-origin", signal: this.#request.signal, headers: this.#tag ? { "If-None-Match": this.#tag } : {} });
      if (answer.status === 200) await this.#show(answer);
      if (answer.status === 204) { this.#tries++; this.#tell(answer.headers.get("WV-Problem") ?? ""); }
      if (answer.status >= 400) return;
      this.#go(answer.status === 204 && this.#tries < TRIES_SOON ? SOON_MS : EVERY_MS);
    } catch (error) {
      if (error.name !== "AbortError") this.#go(EVERY_MS);
    }
  }

  async #show(answer) {
    const picture = await answer.blob(), image = this.querySelector("img") ?? Object.assign(document.createElement("img"), { alt: "" });
    URL.revokeObjectURL(this.#url);
    image.src = this.#url = URL.createObjectURL(picture);
    this.#tag = answer.headers.get("ETag") ?? "";
    this.#tries = 0;
    if (!image.isConnected) this.replaceChildren(image);
  }

  /** Words where no picture is; an old picture is only dimmed. */
  #tell(problem = "") {
    if (this.querySelector("img") && !problem) return;
    const words = this.#isLive ? problem || this.dataset.wait : this.dataset.off;
    this.replaceChildren(Object.assign(document.createElement("span"), { className: "wv-thumb-none", textContent: words ?? "" }));
  }
}

customElements.define("wv-screen", WvScreen);
