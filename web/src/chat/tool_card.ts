// The calls of an answer as cards. Nothing runs here: the user types or pastes what each call gives, and the results go back to the model.
import type {ToolCall} from '../api/chat';
import {el, text_button} from '../page/dom';
import {icon} from '../page/icons';

function argument_rows(text: string): HTMLElement {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return el('pre', {class: 'arguments'}, text);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return el('pre', {class: 'arguments'}, text);
  const rows = Object.entries(given).flatMap(([name, value]) =>
    [el('dt', {}, name), el('dd', {}, typeof value === 'string' ? value : JSON.stringify(value))]);
  return rows.length ? el('dl', {class: 'arguments'}, ...rows) : el('p', {class: 'quiet'}, 'No arguments');
}

function card(call: ToolCall, result: HTMLElement | null): HTMLElement {
  return el('section', {class: 'tool-card', 'aria-label': `Call of ${call.name}`},
            el('header', {}, icon('tool'), el('code', {}, call.name), el('span', {class: 'quiet'}, result ? '' : 'calling')),
            argument_rows(call.arguments), result);
}

/** Calls whose results are known. */
export function answered_calls(calls: ToolCall[], results: Map<string, string>): HTMLElement {
  return el('div', {class: 'tool-cards'}, ...calls.map(call => card(call,
    el('div', {class: 'result'}, el('span', {class: 'label'}, 'Result'), el('pre', {}, results.get(call.id) ?? '')))));
}

/** Calls that are being written. */
export function growing_calls(calls: ToolCall[]): HTMLElement {
  return el('div', {class: 'tool-cards'}, ...calls.map(call => card(call, null)));
}

/** Calls that wait for the user. */
export function open_calls(calls: ToolCall[], send: (results: {call_id: string; content: string}[]) => void): HTMLElement {
  const fields = calls.map(call => el('textarea', {
    class: 'field', rows: 2, placeholder: 'Type or paste what the call gives', 'aria-label': `Result of ${call.name}`,
    onkeydown: (event: KeyboardEvent) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        submit();
      }
    },
  }));
  const submit = (): void => {
    const empty = fields.find(field => !field.value.trim());
    if (empty) empty.focus();
    else send(calls.map((call, i) => ({call_id: call.id, content: fields[i].value})));
  };
  return el('div', {class: 'tool-cards'},
            ...calls.map((call, i) => card(call, el('label', {class: 'result'}, el('span', {class: 'label'}, 'Result'), fields[i]))),
            text_button(calls.length > 1 ? 'Send the results' : 'Send the result', submit, {class: 'button primary send-results'}));
}
