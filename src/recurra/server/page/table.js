// A pasted or dropped table: rows of text to columns, and those to what a forecaster is asked.

export function parse(text) {
  const lines = text.split(/\r?\n/).filter(line => line.trim());
  if (lines.length < 2) throw new Error("A first line with the names of the columns and at least one row must come.");
  const sign = ["\t", ";", ","].find(one => lines[0].includes(one)) ?? ",";
  const rows = lines.map(line => cells(line, sign));
  const columns = {};
  rows[0].forEach((name, place) => { columns[name] = rows.slice(1).map(row => row[place] ?? ""); });
  return columns;
}

function cells(line, sign) {
  const found = [];
  let cell = "", quoted = false;
  for (let i = 0; i < line.length; i++) {
    const one = line[i];
    if (quoted && one === '"' && line[i + 1] === '"') { cell += one; i++; }
    else if (one === '"') quoted = !quoted;
    else if (one === sign && !quoted) { found.push(cell.trim()); cell = ""; }
    else cell += one;
  }
  return [...found, cell.trim()];
}

export const rolesOf = schema => {
  const roles = {};
  for (const [name, one] of Object.entries(schema.properties)) (roles[one["x-role"]] ??= []).push(name);
  return roles;
};

// One request per series: { name: request }.
export function requests(columns, schema) {
  const roles = rolesOf(schema);
  for (const name of schema.required) if (!(name in columns)) throw new Error(`There must be a column “${name}”.`);
  const names = roles.series ? columns[roles.series[0]] : columns[roles.target[0]].map(() => "");
  const found = {};
  for (const name of new Set(names)) {
    const rows = names.flatMap((one, row) => (one === name ? [row] : []));
    found[name] = request(columns, schema, roles, rows);
  }
  return found;
}

function request(columns, schema, roles, rows) {
  const one = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    if (!(name in columns)) continue;
    const values = rows.map(row => columns[name][row]);
    const whole = property["x-role"] === "time" && property.anyOf[0].type === "integer";
    const read = value => (whole ? Number(value) : property["x-role"] === "time" ? value : number(value, name, property));
    one[name] = ["static", "series"].includes(property["x-role"]) ? scalar(values[0], name, property) : values.map(read);
  }
  return one;
}

const scalar = (value, name, property) => (property["x-role"] === "series" ? value : number(value, name, property));

function number(value, name, property) {
  if (value === "") return null;
  if ([].concat(property.type, property.items?.type).includes("string")) return value;
  const read = Number(value);
  if (Number.isNaN(read)) throw new Error(`Column “${name}” must hold numbers, “${value}” came.`);
  return read;
}

// The other way: a request as a table to look at.
export function write(request) {
  const names = Object.keys(request);
  const rows = Math.max(...names.map(name => [].concat(request[name]).length));
  const cell = (name, row) => (Array.isArray(request[name]) ? request[name][row] ?? "" : request[name]);
  return [names.join(","), ...Array.from({ length: rows }, (_, row) => names.map(name => cell(name, row)).join(","))].join("\n");
}
