// A serial line. xterm.js writes its rules into <style>, which the policy of this site forbids: it gets a document whose <style> are
// constructed sheets instead.
import { socketOf } from "./link.js";

const CONTROLS = { Enter: "\r", Tab: "\t", Escape: "\x1b", Backspace: "\x7f", Space: " " };

export async function open(place, answer, { opened, closed }) {
  const { FitAddon, Terminal } = await import("../../vendor/console-serial.js");
  const terminal = new Terminal({ documentOverride: documentOfSheets(), cursorBlink: true, scrollback: 10_000, fontFamily: "ui-monospace, Menlo, Consolas, monospace", fontSize: 14, theme: { background: "#08090b" }, disableStdin: answer.view_only });
  const fitting = new FitAddon();
  terminal.loadAddon(fitting);
  terminal.open(place);
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

function documentOfSheets() {
  const createElement = (name, options) => {
    if (name !== "style") return document.createElement(name, options);
    const sheet = new CSSStyleSheet(), standIn = document.createElement("wv-sheet");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    Object.defineProperty(standIn, "textContent", { set: (text) => sheet.replaceSync(text), get: () => "" });
    standIn.remove = () => {
      Element.prototype.remove.call(standIn);
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
    };
    return standIn;
  };
  return new Proxy(document, {
    get(target, name) {
      if (name === "createElement") return createElement;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
