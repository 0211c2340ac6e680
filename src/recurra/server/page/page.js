// The page to try models on: which there are, and the panel of the one that is chosen.

import { get } from "./api.js";
import { classification } from "./classify.js";
import { forecasting } from "./forecast.js";
import { tagging } from "./tag.js";
import { generation } from "./writing.js";

const PANELS = { forecasting: ["forecast", forecasting], classification: ["classify", classification], tagging: ["tag", tagging], generation: ["write", generation] };
const find = id => document.getElementById(id);

// Errors are for people: what went wrong is said at the top, and goes when it goes right.
async function attempt(work) {
  try {
    await work();
    find("notice").hidden = true;
  } catch (error) {
    find("access").hidden = error.status !== 401;
    find("notice").textContent = error.message;
    find("notice").hidden = error.status === 401 && !sessionStorage.getItem("token");
  }
}

async function begin() {
  const { models, failed } = await get("/v1/models");
  find("access").hidden = true;
  const buttons = models.map(model => {
    const button = document.createElement("button");
    button.textContent = model.name;
    button.onclick = () => choose(model, button, buttons);
    return button;
  });
  find("models").replaceChildren(...buttons);
  const wanted = decodeURIComponent(location.hash.slice(1));
  (buttons.find(button => button.textContent === wanted) ?? buttons[0])?.click();
  if (failed.length) throw new Error(`Could not be loaded: ${failed.join(", ")}. The server's log says why.`);
}

function choose(model, chosen, buttons) {
  for (const button of buttons) button.toggleAttribute("aria-current", button === chosen);
  const [id, panel] = PANELS[model.task] ?? ["other", () => {}];
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== id;
  for (const place of ["chart", "numbers"]) find(place).replaceChildren();
  find("notice").hidden = true;
  find("about").textContent = `${model.name}: ${model.task}, version ${model.version}`;
  history.replaceState(null, "", `#${encodeURIComponent(model.name)}`);
  panel(model, attempt);
}

find("access").onsubmit = event => {
  event.preventDefault();
  sessionStorage.setItem("token", find("token").value);
  attempt(begin);
};
attempt(begin);
