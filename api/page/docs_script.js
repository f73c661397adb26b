/* Shows /api/v1/openapi.json: one block for each operation. */
'use strict';
(async () => {
  const root = document.getElementById('docs');
  const make = (tag, name, ...inside) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...inside);
    return element;
  };
  const bounds = (schema) => {
    const parts = [schema.type && [].concat(schema.type).join(' or ')];
    if (schema.enum) parts.push('one of ' + schema.enum.join(', '));
    if (schema.items && schema.items.enum) parts.push('of ' + schema.items.enum.join(', '));
    if (schema.minimum !== undefined && schema.maximum < 1e15) parts.push(schema.minimum + ' to ' + schema.maximum);
    if (schema.default !== undefined) parts.push('default ' + schema.default);
    if (schema.format) parts.push(schema.format);
    return parts.filter(Boolean).join('; ');
  };
  const table = (rows) => make('table', '', ...rows.map((cells) =>
    make('tr', '', ...cells.map((cell) => make('td', '', cell || '')))));
  const section = (title, ...inside) => [make('h3', '', title), ...inside];

  const parameters = (list) => table(list.map((p) => [
    make('code', '', p.name), p.in + (p.required ? ', required' : ''), bounds(p.schema || {}), p.description]));

  const body = (schema) => {
    const needed = schema.required || [];
    const rows = Object.entries(schema.properties || {}).map(([name, field]) => [
      make('code', '', name), needed.includes(name) ? 'required' : '', bounds(field), field.description]);
    const whole = make('details', '', make('summary', '', 'Schema'),
      make('pre', '', JSON.stringify(schema, null, 2)));
    return [table(rows), whole];
  };

  const operation = (path, method, op) => {
    const key = op.security.length > 0 ? 'scope ' + op['x-scope'] : 'no key needed';
    const parts = [make('summary', '', make('span', 'method ' + method, method.toUpperCase()),
      make('span', 'mono', path), make('span', 'dim', op.summary))];
    parts.push(make('p', 'dim', key));
    if (op.parameters.length > 0) parts.push(...section('Parameters', parameters(op.parameters)));
    if (op.requestBody) parts.push(...section('Body', ...body(op.requestBody.content['application/json'].schema)));
    parts.push(...section('Answers', make('p', '', Object.keys(op.responses).join(', '))));
    for (const [status, said] of Object.entries(op.responses)) {
      const json = said.content && said.content['application/json'];
      if (json && json.example) {
        parts.push(make('p', 'dim', status + ', for example'), make('pre', '', JSON.stringify(json.example, null, 2)));
      }
    }
    return make('details', '', ...parts);
  };

  try {
    const answer = await fetch('/api/v1/openapi.json');
    const api = await answer.json();
    root.replaceChildren(make('p', '', api.info.description), make('p', 'dim', 'Version ' + api.info.version));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, op] of Object.entries(methods)) root.append(operation(path, method, op));
    }
  } catch (error) {
    root.replaceChildren(make('p', 'empty', 'The document cannot be read: ' + error.message));
  }
})();
