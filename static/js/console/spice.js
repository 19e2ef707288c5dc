// A SPICE screen: a socket for each of its channels, which spice-html5 opens by itself through WvSpiceSocket (see bundles/console-spice.js).
import { SCAN } from "./keys.js";
import { socketOf } from "./link.js";

export const SOCKETS = 6;

export async function open(place, answer, { opened, closed }) {
  const { Constants, SpiceMainConn, SpiceMiniData, SpiceMsgcKeyDown, SpiceMsgcKeyUp } = await import("../../vendor/console-spice.js");
  const tickets = [...answer.tickets];
  let isOver = false;
  const over = (code, why) => { if (!isOver) closed(code, why); isOver = true; };
  globalThis.WvSpiceSocket = function WvSpiceSocket() { return socketOf(answer, tickets.shift() ?? "none", over); };
  place.id = "spice-screen";
  const main = new SpiceMainConn({ uri: answer.socket, screen_id: place.id, password: "", onsuccess: opened, onerror: () => {}, onagent: () => {} });
  const eye = new MutationObserver(() => scaled(place));
  eye.observe(place, { childList: true });
  return {
    sendsText: false,
    key(code, down) {
      const scan = SCAN[code];
      if (!scan || !main.inputs || answer.view_only) return;
      const key = down ? new SpiceMsgcKeyDown() : new SpiceMsgcKeyUp(), message = new SpiceMiniData();
      key.code = scan > 0xff ? 0xe0 | ((scan & 0xff | (down ? 0 : 0x80)) << 8) : scan | (down ? 0 : 0x80);
      message.build_msg(down ? Constants.SPICE_MSGC_INPUTS_KEY_DOWN : Constants.SPICE_MSGC_INPUTS_KEY_UP, key);
      main.inputs.send_msg(message);
    },
    paste() {},
    fit() { scaled(place); },
    watch(isWatching) { place.toggleAttribute("inert", isWatching || answer.view_only); },
    picture() { return new Promise((done) => place.querySelector("canvas")?.toBlob(done, "image/png") ?? done(null)); },
    focus() { place.querySelector("canvas")?.focus(); },
    close() { isOver = true; eye.disconnect(); main.stop(); place.replaceChildren(); },
  };
}

/** spice-html5 counts the pointer in pixels of the canvas, so it is shown as it is. */
function scaled(place) { place.querySelector("canvas")?.setAttribute("aria-label", "SPICE"); }
