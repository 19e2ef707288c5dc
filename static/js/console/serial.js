// A serial line. xterm.js writes its rules into <style>, which the policy of this site forbids: it gets a document whose <style> are
// constructed sheets instead.
import { socketOf } from "./link.js";

const CONTROLS = { Enter: "\r", Tab: "\t", Escape: "\x1b", Backspace: "\x7f", Space: " " };

export async function open(place, answer, { opened, closed }) {
  const { FitAddon, Terminal } = await import("../../vendor/console-serial.js");
  const terminal = new Terminal({ documentOverride: documentOfSheets(), cursorBlink: true, scrollback: 10_000, fontFamily: "ui-monospace, Menlo, Consolas, monospace", fontSize: 14, theme: { background: "#08090b" }, disableStdin: answer.view_only });
  const fitting = new FitAddon();
  terminal.loadAddon(fitting);
  openIn(terminal, place);
  fitting.fit();
  const eye = new ResizeObserver(() => fitting.fit());
  eye.observe(place);
  let isOver = false;
  const socket = socketOf(answer, answer.tickets[0], (code, why) => { if (!isOver) closed(code, why); isOver = true; });
  const send = (text) => { if (!answer.view_only && socket.readyState === WebSocket.OPEN) socket.send(new TextEncoder().encode(text)); };
  socket.addEventListener("open", () => { opened(); terminal.focus(); });
  socket.addEventListener("message", (event) => terminal.write(new Uint8Array(event.data)));
  terminal.onData(send);
  return {
    sendsText: true,
    terminal,
    key(code, down) { if (down) send(CONTROLS[code] ?? (/^Key.$/.test(code) ? String.fromCharCode(code.charCodeAt(3) - 64) : "")); },
    text: send,
    paste(text) { terminal.paste(text); },
    fit() { fitting.fit(); },
    watch(isWatching) { terminal.options.disableStdin = isWatching || answer.view_only; },
    readAloud(on) { terminal.options.screenReaderMode = on; },
    async picture() { return null; },
    focus() { terminal.focus(); },
    close() { isOver = true; eye.disconnect(); socket.close(); terminal.dispose(); },
  };
}

/** Instead of <style>, constructed sheets; instead of style attributes, the same by the object model. Both are what the policy allows. */
const makers = {
  style() {
    const sheet = new CSSStyleSheet(), standIn = document.createElement("wv-sheet");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    Object.defineProperty(standIn, "textContent", { set: (text) => sheet.replaceSync(text), get: () => "" });
    standIn.remove = () => {
      Element.prototype.remove.call(standIn);
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
    };
    return standIn;
  },
  span() {
    const span = document.createElement("span");
    span.setAttribute = (name, value) => { if (name === "style") span.style.cssText = value; else Element.prototype.setAttribute.call(span, name, value); };
    return span;
  },
};

function documentOfSheets() {
  const createElement = (name, options) => (Object.hasOwn(makers, name) ? makers[name]() : document.createElement(name, options));
  return new Proxy(document, {
    get(target, name) {
      if (name === "createElement") return createElement;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Its viewport asks the window's document for a <style>, whatever document it was given. */
function openIn(terminal, place) {
  const real = Document.prototype.createElement;
  document.createElement = (name, options) => {
    if (name !== "style") return real.call(document, name, options);
    delete document.createElement;
    const made = makers.style();
    document.createElement = patched;
    return made;
  };
  const patched = document.createElement;
  try { terminal.open(place); } finally { delete document.createElement; }
}
