// Shows the server's OpenAPI document: its requests, then the schemas that they name.

function element(name, content = [], attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[content].flat());
  return made;
}

function link(name) {
  return element("a", name, { href: `#${name}` });
}

// The kind of a value in words, with links to schemas that have a name.
function kindOf(schema) {
  if (schema.$ref) return [link(schema.$ref.split("/").at(-1))];
  if (schema.oneOf) {
    return schema.oneOf.flatMap((each, index) => (index ? [" or "] : []).concat(kindOf(each)));
  }
  const names = [schema.type].flat();
  const parts = [];
  for (const [index, name] of names.entries()) {
    if (index) parts.push(" or ");
    parts.push(name);
    if (name === "array") parts.push(" of ", ...kindOf(schema.items));
  }
  return parts;
}

function rangeOf(schema) {
  const told = [];
  if (schema.enum) told.push(schema.enum.map((each) => JSON.stringify(each)).join(", "));
  if (schema.minimum !== undefined) told.push(`≥ ${schema.minimum}`);
  if (schema.exclusiveMinimum !== undefined) told.push(`> ${schema.exclusiveMinimum}`);
  if (schema.maximum !== undefined) told.push(`≤ ${schema.maximum}`);
  if (schema.minItems !== undefined && schema.minItems === schema.maxItems) {
    told.push(`${schema.minItems} items`);
  } else {
    if (schema.minItems !== undefined) told.push(`at least ${schema.minItems} items`);
    if (schema.maxItems !== undefined) told.push(`at most ${schema.maxItems} items`);
  }
  if (schema.uniqueItems) told.push("each once");
  if (schema.pattern) told.push(schema.pattern);
  if (schema.contentEncoding) told.push(schema.contentEncoding);
  if (schema.default !== undefined) told.push(`default ${JSON.stringify(schema.default)}`);
  return told.join("; ");
}

function row(name, schema, optional) {
  const kind = element("td", kindOf(schema), { class: "kind" });
  const range = rangeOf(schema);
  if (range) kind.append(element("div", range, { class: "quiet" }));
  const called = element("th", element("code", name), { scope: "row" });
  if (optional) called.append(element("div", "optional", { class: "quiet" }));
  return element("tr", [called, kind, element("td", schema.description ?? "")]);
}

function table(rows) {
  return element("div", element("table", element("tbody", rows)), {
    class: "scroll",
    tabindex: "0",
  });
}

function properties(schema) {
  const required = new Set(schema.required ?? []);
  return table(
    Object.entries(schema.properties).map(([name, each]) => row(name, each, !required.has(name))),
  );
}

function content(part) {
  const schema = part.content?.["application/json"]?.schema;
  return schema ? kindOf(schema) : ["nothing"];
}

function answers(responses) {
  return table(
    Object.entries(responses).map(([status, response]) =>
      element("tr", [
        element("th", element("code", status), { scope: "row" }),
        element("td", content(response), { class: "kind" }),
        element("td", response.description),
      ]),
    ),
  );
}

function request(path, method, operation) {
  const title = element("h3", [
    element("span", method.toUpperCase(), { class: "method" }),
    element("code", path),
  ]);
  const parts = [title, element("p", operation.summary)];
  if (operation.parameters) {
    const rows = operation.parameters.map((each) =>
      row(each.name, { ...each.schema, description: each.description }, !each.required),
    );
    parts.push(element("h4", "Parameters"), table(rows));
  }
  if (operation.requestBody) {
    parts.push(element("h4", "Body"), element("p", content(operation.requestBody)));
  }
  parts.push(element("h4", "Answers"), answers(operation.responses));
  return element("article", parts, { id: operation.operationId });
}

function named(name, schema) {
  const parts = [element("h3", element("code", name))];
  if (schema.description) parts.push(element("p", schema.description));
  parts.push(schema.properties ? properties(schema) : element("p", kindOf(schema)));
  return element("article", parts, { id: name });
}

function show(api) {
  document.querySelector("#about").textContent = api.info.description;
  document.querySelector("#token").hidden = !api.security;
  const operations = document.querySelector("#operations");
  const contents = document.querySelector("#contents");
  operations.append(element("h2", "Requests"));
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      operations.append(request(path, method, operation));
      const text = `${method.toUpperCase()} ${path}`;
      contents.append(element("li", element("a", text, { href: `#${operation.operationId}` })));
    }
  }
  const schemas = document.querySelector("#schemas");
  schemas.append(element("h2", "Schemas"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    schemas.append(named(name, schema));
  }
  document.querySelector("#state").remove();
}

try {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  show(await response.json());
} catch (error) {
  document.querySelector("#state").textContent = `The description cannot be read: ${error.message}`;
}
