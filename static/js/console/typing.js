// Types a text as keystrokes, a few at a time: a guest's keyboard buffer is small, and what overflows it is lost.
import { press } from "./keys.js";
import { layout } from "./layouts.js";

const PAUSE_MS = 24, AFTER_LINE_MS = 120;

/** Resolves with how many characters were typed; `signal` stops it, `told(done, of)` hears of each. */
export async function type(screen, text, name, { signal, told } = {}) {
  const keys = layout(name), characters = [...text.replaceAll("\r\n", "\n")];
  let done = 0;
  for (const character of characters) {
    if (signal?.aborted) break;
    const found = keys.get(character);
    if (found) { press(screen, found.keys); if (found.then.length) press(screen, found.then); }
    told?.(++done, characters.length);
    await new Promise((go) => setTimeout(go, character === "\n" ? AFTER_LINE_MS : PAUSE_MS));
  }
  return done;
}
