// Fetching pieces of pages. The server renders the piece named in the header WV-Fragment with the same view as the page.

export class Refused extends Error {
  constructor(status, html = "") { super(`HTTP ${status}`); this.status = status; this.html = html; }
}

/** The HTML of a piece. Refused: the server said no (status, body). TypeError: no answer. Signed out: the page says so. */
export async function fragment(url, name, { signal } = {}) {
  const response = await fetch(url, { headers: { "WV-Fragment": name, Accept: "text/html" }, credentials: "same-origin", signal });
  if (isSignedOut(response)) { signedOut(); throw new Refused(401); }
  const html = await response.text();
  if (!response.ok) throw new Refused(response.status, html);
  return html;
}

/** True where the answer is the sign-in page or a plain 401. */
export function isSignedOut(response) {
  return response.status === 401 || (response.redirected && new URL(response.url).pathname.startsWith("/account/login"));
}

export function signedOut() {
  const banner = document.getElementById("wv-signed-out");
  if (banner) banner.hidden = false;
}
