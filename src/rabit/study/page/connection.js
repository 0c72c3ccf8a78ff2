// Requests to the server, and what this browser remembers.

const PATIENCE_MS = 12000;
const WAITS_MS = [500, 1000, 2000, 4000, 8000];

let token = null;

export class Refusal extends Error {}

export function notice(text) {
  const place = document.getElementById("notice");
  place.textContent = text;
  place.hidden = !text;
}

// The time before something is tried again: longer and longer, up to 8 seconds.
export function pause(tries) {
  return new Promise((resolve) => setTimeout(resolve, WAITS_MS[Math.min(tries, WAITS_MS.length - 1)]));
}

// Makes all further requests those of a rater; null is nobody's.
export function identify(value) {
  token = value;
}

// One request. It is repeated until the server has answered; only a refusal ends it.
export async function call(path, body) {
  for (let tries = 0; ; tries += 1) {
    let told = null;
    try {
      told = await fetch(path, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...(token ? { Authorization: "Bearer " + token } : {}),
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const answer = told.status < 500 ? await told.json() : null;
      if (told.ok) {
        notice("");
        return answer;
      }
      if (answer) throw new Refusal(answer.error || "The server refused the request.");
    } catch (error) {
      if (error instanceof Refusal) throw error;
    }
    notice("The connection is interrupted. Trying again; what you chose is kept.");
    await pause(tries);
  }
}

export function stored(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

export function store(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch { /* without storage the link alone brings the rater back */ }
}
