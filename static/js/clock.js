// The server's time: a browser's own clock may be minutes off, and "3 s ago" must not say "in 2 min".
let skew = 0;

/** Milliseconds of the epoch, by the server's clock once it has said it. */
export function now() { return Date.now() + skew; }

export function serverSays(milliseconds) { skew = milliseconds - Date.now(); }
