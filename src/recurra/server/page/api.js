// Asking the server: JSON there and back, errors as the sentences that it says, a token where one is wanted.

export class Refusal extends Error {
  constructor(status, sentence) { super(sentence); this.status = status; }
}

const headers = () => {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
};

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The server cannot be reached.");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refusal(response.status, said.error ?? response.statusText);
}

export const get = async path => (await ask(path)).json();

const post = (path, body, signal) =>
  ask(path, { method: "POST", body: JSON.stringify(body), signal, headers: { "Content-Type": "application/json" } });

export const send = async (path, body, signal) => (await post(path, body, signal)).json();

// Yields [event, data] of server-sent events; EventSource of browsers cannot send a body.
export async function* listen(path, body, signal) {
  const reader = (await post(path, body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const one of events) {
      const [name, data] = one.split("\n").map(line => line.slice(line.indexOf(": ") + 2));
      yield [name, JSON.parse(data)];
    }
  }
}
