// Requests to the server, and the order in which pictures are asked for.

// The server says that something does not fit; `field` is its place in the document that was sent.
export class Refusal extends Error {
  constructor(message, field, status) {
    super(message);
    this.field = field;
    this.status = status;
  }
}

// The server cannot answer now; `seconds` is when to ask again.
class Busy extends Error {
  constructor(message, seconds) {
    super(message);
    this.seconds = seconds;
  }
}

const WAITS = [1, 2, 4, 8];
const STORED = "rabit-token";
const NO_TOKEN = "This editor asks for a token: open the whole link that rabit serve has printed.";
const client = [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, "0")).join("");
let token = null;
let unreached = 0;

// Reads the token behind the # of the link, which browsers send to nobody, and hides it.
export function readToken() {
  const given = /^#t=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (given) history.replaceState(null, "", location.pathname);
  try {
    if (given) sessionStorage.setItem(STORED, given[1]);
    token = sessionStorage.getItem(STORED);
  } catch {
    token = given ? given[1] : null; // without storage it lasts as long as the page
  }
}

// One request. Raises Refusal or Busy; AbortError if the signal says so.
async function call(path, { body, signal, latest } = {}) {
  const headers = { "X-Rabit-Client": client };
  if (token) headers.Authorization = "Bearer " + token;
  if (latest) headers["X-Rabit-Latest"] = latest;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply, answer;
  try {
    const method = body === undefined ? "GET" : "POST";
    const text = body === undefined ? undefined : JSON.stringify(body);
    reply = await fetch(path, { method, headers, body: text, signal, cache: "no-store" });
    answer = await reply.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    unreached += 1;
    throw new Busy("The server does not answer", WAITS[Math.min(unreached, WAITS.length) - 1]);
  }
  unreached = 0;
  if (reply.ok) return answer;
  if (reply.status === 401) throw new Refusal(NO_TOKEN, null, 401);
  if (reply.status === 429 || reply.status === 503) {
    const seconds = Number(reply.headers.get("Retry-After")) || 1;
    throw new Busy(reply.status === 429 ? "The server is busy" : "This took too long", seconds);
  }
  throw new Refusal(answer.error || "The server refused the request.", answer.field ?? null, reply.status);
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}

// One request that is repeated until it is answered or refused; waiting(busy) is told in between.
export async function patiently(path, options, waiting) {
  for (;;) {
    try {
      return await call(path, options);
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      waiting(error);
      await pause(error.seconds);
    }
  }
}

const PREVIEW_EVERY_MS = 40;
const REST = 1; // of the time that a preview took

// Asks for pictures: one request at a time, then the newest wish. A wish for the full result ends a
// preview that is on its way; a preview waits for what is on its way.
export class Asking {
  // request(full) gives {path, body, ...} and may raise; answered(answer, request, since) and
  // failed(error) are told how it went, waiting(busy or null) when the server asks to come again.
  constructor({ request, answered, failed, waiting, started }) {
    Object.assign(this, { request, answered, failed, waiting, started });
    this.wish = null;
    this.running = null;
    this.timer = null;
    this.until = 0; // when the server may be asked again
    this.rested = 0; // when the next preview may follow
  }

  ask(full) {
    this.wish = { full, since: performance.now() };
    if (full && this.running) this.running.abort();
    this.soon(full ? 0 : Math.max(PREVIEW_EVERY_MS, this.rested - performance.now()));
  }

  get busy() { return Boolean(this.running || this.wish); }

  // Forgets what was wished and what is on its way.
  stop() {
    this.wish = null;
    this.until = 0;
    clearTimeout(this.timer);
    this.timer = null;
    if (this.running) this.running.abort();
    this.waiting(null);
  }

  soon(milliseconds) {
    if (this.timer && milliseconds > 0) return;
    clearTimeout(this.timer);
    const wait = Math.max(milliseconds, this.until - performance.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      this.send();
    }, wait);
  }

  async send() {
    if (this.running || !this.wish) return;
    const { full, since } = this.wish;
    this.wish = null;
    const running = new AbortController();
    const began = performance.now();
    this.running = running;
    this.waiting(null);
    this.started(full);
    try {
      const request = await this.request(full);
      const { path, body } = request;
      const answer = await call(path, { body, signal: running.signal, latest: "picture" });
      // Previews leave the server some rest, or the last picture of a stroke would mostly wait for one.
      this.rested = performance.now() + (performance.now() - began) * REST;
      if (!running.signal.aborted) await this.answered(answer, request, since);
    } catch (error) {
      if (error instanceof Busy) {
        this.until = performance.now() + 1000 * error.seconds;
        this.wish ||= { full, since };
        this.waiting(error);
      } else if (error.name !== "AbortError" && !(error instanceof Refusal && error.status === 409)) {
        this.failed(error);
      }
    } finally {
      this.running = null;
      if (this.wish && !this.timer) this.soon(this.wish.full ? 0 : this.rested - performance.now());
    }
  }
}
