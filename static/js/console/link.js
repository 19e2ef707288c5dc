// Tickets and sockets of a console. Each ticket opens one socket, once, within half a minute; it travels as a subprotocol, so that
// no address that somebody logs holds it.

export class NoConsole extends Error {
  constructor(status, words) { super(words); this.status = status; }
}

/** POST JSON as a person: NoConsole with the server's words when it says no, TypeError when nobody answers. */
export async function post(url, fields) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
  const answer = await fetch(url, { method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token }, body: JSON.stringify(fields) });
  if (answer.redirected || answer.status === 401) throw new NoConsole(401, "");
  const body = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new NoConsole(answer.status, body.error ?? "");
  return body;
}

/** Opens a socket with one of the tickets; `closed(code)` says why it ended. */
export function socketOf(answer, ticket, closed) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}${answer.socket}`, ["binary", `ticket.${ticket}`]);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("close", (event) => closed(event.code, event.reason));
  return socket;
}
