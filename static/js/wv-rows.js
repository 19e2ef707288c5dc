// <wv-rows id="machine-rows" src="/machines/rows/" topics="machines" delay="1000">
//   <form id="bulk" method="post" action="/machines/power/" data-async data-result="dialog">…csrf…
//     <div class="wv-scroll"><table class="wv-table is-sticky is-cards">… <tr id="m42" data-topic="machine:42" data-state="running">…
//     <div class="wv-bulk">…</div> <footer class="wv-pager">…</footer></form>
// </wv-rows>
//
// A list whose rows live: facts about rows are gathered for 50 ms, then `src?ids=42,43&<the page's query>` brings just
// those <tr>s; a row that is not in the answer is gone. Facts about `topics` bring the whole list anew (as <wv-live>,
// from the page's own address), less often. Pushed numbers go straight into the cells (row-numbers.js).
// Selecting: click, Shift-click, the box in the head; keys j k x Enter Escape. The bulk bar: [data-count], buttons with
// data-states="off crashed" (off where no selected row is in such a state; data-why says it in [data-why-not]), [data-clear],
// [data-all] (fills <input name="all"> with the page's query, so that the action is for every machine the filter finds).
import { now } from "./clock.js";
import { fragment } from "./fragment.js";
import { subscribe } from "./live.js";
import { morph, parse } from "./morph.js";
import { showNumbers } from "./row-numbers.js";
import { WvLive } from "./wv-live.js";
import { Selection } from "./selection.js";

const GATHER_MS = 50, MOST_ROWS = 100, FRESH_MS = 30_000;
const HAS_NONE = new Set(["off", "crashed", "saved", "unknown", "stale"]);

class WvRows extends WvLive {
  #cancelRows = null; #changed = new Set(); #timer = 0; #busy = false; #numbers = new Map(); #fresh = new Set(); #frame = 0; #selection = null;

  connectedCallback() {
    super.connectedCallback();
    this.#selection = new Selection(this);
    this.#watchRows();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#cancelRows?.();
    this.#selection.release();
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
  }

  get rows() { return [...this.querySelectorAll("tr[data-topic]")]; }
  get delay() { return Number(this.getAttribute("delay") ?? 1000); }

  /** The list as a whole always comes from the page's own address: `src` is for single rows. */
  load(url = location.href) { return super.load(url); }

  show(html) {
    super.show(html);
    this.#watchRows();
    this.#showNumbers(this.rows);
    this.#selection.update();
  }

  #watchRows() {
    this.#cancelRows?.();
    const topics = this.rows.map((row) => row.dataset.topic);
    this.#cancelRows = subscribe([...topics, ...topics.map((topic) => `numbers:${topic}`)], {
      fact: (message) => this.#rowFact(message),
      numbers: (kind, id, row) => this.#rowNumbers(`${kind}:${id}`, row),
    });
  }

  #rowFact(message) {
    for (const topic of message.topics) if (/:\d+$/.test(topic)) this.#changed.add(topic);
    if (!this.#timer && !this.#busy) this.#timer = setTimeout(() => this.#fetchRows(), GATHER_MS);
  }

  async #fetchRows() {
    this.#timer = 0;
    const rows = this.rows.filter((row) => this.#changed.has(row.dataset.topic));
    this.#changed.clear();
    if (!rows.length) return;
    if (rows.length > MOST_ROWS) return this.refresh();
    this.#busy = true;
    try {
      const url = new URL(this.getAttribute("src"), location.href);
      url.search = location.search;
      url.searchParams.set("ids", rows.map((row) => row.dataset.topic.split(":")[1]).join(","));
      this.#showRows(rows, await fragment(url, "rows"));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      rows.forEach((row) => this.#changed.add(row.dataset.topic));    // no answer: the next fact or catch-up asks again
    } finally {
      this.#busy = false;
    }
    if (this.#changed.size) this.#timer = setTimeout(() => this.#fetchRows(), GATHER_MS);
  }

  #showRows(rows, html) {
    const fresh = parse(`<table><tbody>${html}</tbody></table>`);
    for (const row of rows) {
      const newer = fresh.getElementById(row.id);
      if (newer) morph(row, newer); else row.remove();
    }
    this.#showNumbers(rows);
    this.#selection.update();
    this.dispatchEvent(new CustomEvent("wv:refreshed", { bubbles: true, detail: { rows: rows.length } }));
  }

  #rowNumbers(topic, row) {
    this.#numbers.set(topic, row);
    this.#fresh.add(topic);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#showNumbers(this.rows.filter((tr) => this.#fresh.has(tr.dataset.topic)));
      this.#fresh.clear();
    });
  }

  /** Also after a fetch: the row may hold older numbers than were pushed. One that no longer runs has none. */
  #showNumbers(rows) {
    for (const tr of rows) {
      const row = this.#numbers.get(tr.dataset.topic);
      if (row && !HAS_NONE.has(tr.dataset.state) && now() - row[0] < FRESH_MS) showNumbers(tr, row);
    }
  }
}

customElements.define("wv-rows", WvRows);
