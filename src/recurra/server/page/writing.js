// A text is written while one watches.

import { listen } from "./api.js";

const find = id => document.getElementById(id);
let stop;

export function generation(model, attempt) {
  const heat = find("temperature"), written = find("written");
  heat.oninput = () => { find("heat").value = Number(heat.value).toFixed(2); };
  written.replaceChildren();
  find("write-go").onclick = () => attempt(() => write(model, written));
  find("write-stop").onclick = () => stop?.abort();
}

async function write(model, written) {
  stop?.abort();
  stop = new AbortController();
  const prompt = find("prompt").value, given = document.createElement("span");
  given.className = "given";
  given.textContent = prompt;
  written.replaceChildren(given);
  written.classList.add("busy");
  find("write-stop").disabled = false;
  const order = { prompt, length: Number(find("length").value), temperature: Number(find("temperature").value), seed: Math.floor(Math.random() * 2 ** 31) };
  const mine = stop;
  try {
    for await (const [name, data] of listen(`/v1/models/${encodeURIComponent(model.name)}/generate`, order, mine.signal)) {
      if (name === "text") written.append(data.text);
      if (name === "error") throw new Error(data.error);
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    if (mine === stop) {
      written.classList.remove("busy");
      find("write-stop").disabled = true;
    }
  }
}
