// Where the memory goes: weights by what they are for, what one token reads of them, and how long a text a cache holds.
import {el} from '../page/dom';
import {byte_count, count, percent, short_count} from '../page/numbers';
import {kRoleNames, type Inspection, type RoleTotal} from './inspection';

function bar_row(label: string, share: number, value: string, kind: string): HTMLElement {
  const bar = el('span', {class: `bar ${kind}`});
  bar.style.setProperty('--share', String(share));
  return el('li', {}, el('span', {class: 'label'}, label), bar, el('span', {class: 'number'}, value));
}

function role_rows(totals: RoleTotal[], whole: number): HTMLElement[] {
  return [...totals].sort((a, b) => b.bytes - a.bytes).map(total =>
    bar_row(`${kRoleNames[total.role] ?? total.role}, ${total.format}`, total.bytes / whole, byte_count(total.bytes), 'weights'));
}

export function memory_plan(inspection: Inspection): HTMLElement {
  const {memory, totals} = inspection;
  const whole = Math.max(1, totals.reduce((sum, total) => sum + total.bytes, 0));
  const longest = Math.max(1, ...memory.cache_holds.map(({tokens}) => tokens));
  return el('section', {class: 'memory'}, el('h2', {}, 'Memory'),
    el('h3', {}, `Weights: ${byte_count(memory.weights)}`), el('ul', {class: 'bars'}, ...role_rows(totals, whole)),
    el('h3', {}, 'Read for one token'),
    el('ul', {class: 'bars'}, bar_row(`${percent(memory.weights_per_token / memory.weights)} of the weights`,
                                      memory.weights_per_token / memory.weights, byte_count(memory.weights_per_token), 'read')),
    el('h3', {}, `Keys and values: ${byte_count(memory.kv_per_token)} a token`),
    el('ul', {class: 'bars'}, ...memory.cache_holds.map(({gib, tokens}) =>
      bar_row(`${gib} GiB of cache`, tokens / longest, `${tokens >= 1e6 ? short_count(tokens) : count(tokens)} tokens`, 'cache'))));
}
