// The one websocket of a page. Elements subscribe to topics; the server says that something changed (a fact) or pushes
// numbers. Protocol, both ways JSON:
//   →  {"sub": ["machines", "machine:42", "numbers:machine:42", …]}     replaces the whole set, 600 at most;
//      the first one adds "since": when the page was made (ms); a server that knows all facts since then sends them again
//      and says {"t": "subscribed", "since": true}, so nobody needs to look a second time
//   ←  hello {at} · subscribed · fact {topics, what} · numbers {m: {id: row}, h: {id: row}} · ping · resync · stale · bye {why}
// When the link drops: banner after 2 s, retries with back-off and jitter; once subscribed again everybody catches up.
// Where the link stands is in #wv-link[data-link=on|lost|off]; banners are #wv-lost, #wv-stale and #wv-signed-out.
import { serverSays } from "./clock.js";
import { signedOut } from "./fragment.js";

const MOST_TOPICS = 600, SILENCE_MS = 50_000, BANNER_MS = 2_000, LONGEST_MS = 15_000;
const listeners = new Map();     // topic → Set of listeners
let socket = null, tries = 0, retry = 0, banner = 0, watchdog = 0, sending = 0, sent = "", caughtUp = false, over = false;
let since = Number(document.body.dataset.at) || undefined;

/** Hear of topics until the returned function is called. Listener: {fact(message), numbers(kind, id, row), catchUp()}, all optional. */
export function subscribe(topics, listener) {
  for (const topic of topics) {
    if (!listeners.has(topic)) listeners.set(topic, new Set());
    listeners.get(topic).add(listener);
  }
  wish();
  return () => {
    for (const topic of topics) {
      listeners.get(topic)?.delete(listener);
      if (!listeners.get(topic)?.size) listeners.delete(topic);
    }
    wish();
  };
}

/** True once subscribed: what joins the page from now on was rendered a moment before it could hear. */
export function isLinked() { return caughtUp; }

function wish() {
  if (!socket && !over && listeners.size && !retry) connect();
  clearTimeout(sending);
  sending = setTimeout(() => {
    if (socket?.readyState !== WebSocket.OPEN) return;
    const text = JSON.stringify({ sub: [...listeners.keys()].slice(0, MOST_TOPICS), since });
    if (text !== sent) socket.send(sent = text);
  }, 20);
}

function connect() {
  const path = document.body.dataset.live;
  if (!path) return;
  retry = 0;
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
  socket.onmessage = (event) => { alive(); receive(JSON.parse(event.data)); };
  socket.onopen = () => { alive(); sent = ""; wish(); };
  socket.onclose = (event) => { socket = null; lost(event.code); };
}

function receive(message) {
  if (message.t === "fact") facts(message);
  else if (message.t === "numbers") { numbers("machine", message.m ?? {}); numbers("host", message.h ?? {}); }
  else if (message.t === "hello") serverSays(message.at);
  else if (message.t === "subscribed") up(message.since === true);
  else if (message.t === "resync") { show("wv-stale", false); everybody("catchUp"); }
  else if (message.t === "stale") show("wv-stale", true);
  else if (message.t === "bye") { over = true; signedOut(); }
}

function facts(message) {
  const reached = new Set();
  for (const topic of message.topics) for (const listener of listeners.get(topic) ?? []) reached.add(listener);
  for (const listener of reached) listener.fact?.(message);
}

function numbers(kind, rows) {
  for (const [id, row] of Object.entries(rows)) {
    for (const listener of listeners.get(`numbers:${kind}:${id}`) ?? []) listener.numbers?.(kind, id, row);
  }
}

/** Subscribed. Unless the server told what changed before, nobody knows: everybody looks once (on the first link too, the page is older). */
function up(isTold) {
  since = undefined;
  tries = 0;
  clearTimeout(banner); banner = 0;
  show("wv-lost", false);
  mark("on");
  if (caughtUp) return;
  caughtUp = true;
  if (!isTold) everybody("catchUp");
}

function everybody(deed) {
  for (const listener of new Set([...listeners.values()].flatMap((set) => [...set]))) listener[deed]?.();
}

function lost(code) {
  clearTimeout(watchdog);
  caughtUp = false;
  if (code === 4401) { over = true; signedOut(); }
  if (!banner) banner = setTimeout(() => { show("wv-lost", !over); mark("lost"); }, over ? 0 : BANNER_MS);
  if (over || retry) return;
  const wait = Math.min(LONGEST_MS, 400 * 2 ** tries++) * (.5 + Math.random());
  retry = setTimeout(connect, code === 4429 ? LONGEST_MS : wait);
}

function alive() {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => socket?.close(), SILENCE_MS);
}

function hurry() {
  if (!retry || document.hidden) return;
  clearTimeout(retry);
  tries = 0;
  connect();
}

function show(id, on) { const element = document.getElementById(id); if (element) element.hidden = !on; }
function mark(state) { const element = document.getElementById("wv-link"); if (element) element.dataset.link = state; }

addEventListener("online", hurry);
document.addEventListener("visibilitychange", hurry);
