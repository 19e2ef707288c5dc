// A VNC screen. All kinds of screen have: key(code, down), paste(text), fit(mode), watch(isWatching), picture(), focus(), close().
import { keysym } from "./keys.js";
import { socketOf } from "./link.js";

export async function open(place, answer, { opened, closed, copied }) {
  const { RFB } = await import("../../vendor/console-vnc.js");
  let isOver = false, said = "";
  const socket = socketOf(answer, answer.tickets[0], (code, why) => { if (!isOver) closed(code, said || why); isOver = true; });
  const rfb = new RFB(place, socket, { shared: true });
  rfb.background = "transparent";
  rfb.viewOnly = answer.view_only;
  rfb.addEventListener("connect", opened);
  rfb.addEventListener("clipboard", (event) => copied(event.detail.text));
  rfb.addEventListener("securityfailure", (event) => { said = event.detail.reason ?? ""; });
  return {
    sendsText: false,
    key(code, down) { rfb.sendKey(keysym(code), code, down); },
    paste(text) { rfb.clipboardPasteFrom(text); },
    fit(mode) { rfb.scaleViewport = mode !== "1:1"; rfb.clipViewport = mode === "1:1"; rfb.dragViewport = false; rfb.resizeSession = mode === "guest" && !answer.view_only; },
    quality(level) { rfb.qualityLevel = level; rfb.compressionLevel = level > 6 ? 1 : 6; },
    watch(isWatching) { rfb.viewOnly = isWatching || answer.view_only; },
    picture() { return new Promise((done) => rfb.toBlob(done, "image/png")); },
    focus() { rfb.focus(); },
    close() { isOver = true; rfb.disconnect(); },
  };
}
