// The OpenAPI document, to read.

import { get } from "./api.js";

const make = (tag, text, kind) => Object.assign(document.createElement(tag), { textContent: text ?? "", className: kind ?? "" });

function operation(path, method, one) {
  const details = make("details"), summary = make("summary");
  summary.append(make("span", method.toUpperCase(), "method"), make("code", path), ` ${one.summary}`);
  details.append(summary, make("p", one.description));
  for (const [kind, content] of Object.entries(one.requestBody?.content ?? {})) {
    details.append(make("p", `Takes ${kind}:`), make("pre", JSON.stringify(content.schema, null, 2)));
  }
  const answers = Object.entries(one.responses).map(([status, answer]) => `${status}  ${answer.description}`);
  details.append(make("p", "Answers:"), make("pre", answers.join("\n")));
  return details;
}

try {
  const { paths } = await get("/openapi.json");
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, one] of Object.entries(methods)) document.getElementById("operations").append(operation(path, method, one));
  }
} catch (error) {
  document.getElementById("intro").textContent = error.message;
}
