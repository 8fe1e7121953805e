// Tool declarations as users write them: a JSON list of OpenAI's {"type": "function", "function": {...}}, or of the functions alone.

export interface ToolDeclaration {
  type: 'function';
  function: {name: string; description?: string; parameters?: object};
}

export const kExampleTools = JSON.stringify([
  {
    name: 'get_weather',
    description: 'The weather of a city, now',
    parameters: {type: 'object', properties: {city: {type: 'string'}}, required: ['city']},
  },
  {
    name: 'set_timer',
    description: 'Rings after some minutes',
    parameters: {type: 'object', properties: {minutes: {type: 'integer'}, label: {type: 'string'}}, required: ['minutes']},
  },
], null, 2);

function read_tool(value: unknown, place: string): ToolDeclaration {
  const given = value as {type?: string; function?: object; name?: string} | null;
  const declared = (given && given.type === 'function' ? given.function : given) as ToolDeclaration['function'] | null;
  if (!declared || typeof declared !== 'object') throw new Error(`${place} is not an object`);
  if (typeof declared.name !== 'string' || !/^[\w.:/-]{1,128}$/.test(declared.name)) {
    throw new Error(`${place} needs a "name" of 1 to 128 letters, digits, _ - . : and /`);
  }
  if (declared.parameters !== undefined && (typeof declared.parameters !== 'object' || declared.parameters === null)) {
    throw new Error(`${place}: "parameters" must be a JSON schema`);
  }
  return {type: 'function', function: declared};
}

/** Throws an Error that says what is wrong. */
export function parse_tools(text: string): ToolDeclaration[] {
  if (!text.trim()) return [];
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (problem) {
    throw new Error(`This is not JSON: ${(problem as Error).message}`);
  }
  const list = Array.isArray(given) ? given : [given];
  const tools = list.map((value, i) => read_tool(value, `Tool ${i + 1}`));
  const names = tools.map(tool => tool.function.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw new Error(`Two tools are called "${twice}"`);
  return tools;
}
