// The tensors, those of all layers and experts that are alike in one row unless the user wants each; searched and sorted in place.
import {el, text_button} from '../page/dom';
import {byte_count, count} from '../page/numbers';
import type {TensorInfo} from './inspection';

const kRows = 100;

interface Row {
  name: string;
  tensors: number;
  shape: string;
  stored: string;
  format: string;
  bytes: number;
}

const kColumns: {key: keyof Row; label: string; is_number: boolean}[] = [
  {key: 'name', label: 'Tensor', is_number: false},
  {key: 'tensors', label: 'Count', is_number: true},
  {key: 'shape', label: 'Shape', is_number: false},
  {key: 'stored', label: 'Stored', is_number: false},
  {key: 'format', label: 'In memory', is_number: false},
  {key: 'bytes', label: 'Bytes', is_number: true},
];

function rows_of(tensors: TensorInfo[], together: boolean): Row[] {
  const rows = new Map<string, Row>();
  for (const tensor of tensors) {
    const name = together ? tensor.name.replace(/\.\d+(?=\.|$)/g, '.*') : tensor.name;
    const shape = tensor.k === 1 ? `[${tensor.n}]` : `[${tensor.n}, ${tensor.k}]`;
    const key = [name, shape, tensor.stored, tensor.format].join('|');
    const row = rows.get(key) ?? {name, tensors: 0, shape, stored: tensor.stored, format: tensor.format, bytes: 0};
    row.tensors += 1;
    row.bytes += tensor.shares_bytes ? 0 : tensor.bytes;
    rows.set(key, row);
  }
  return [...rows.values()];
}

export function tensor_table(tensors: TensorInfo[]): HTMLElement {
  let sorted_by: keyof Row | null = null;
  let upwards = true;
  let limit = kRows;
  const search = el('input', {type: 'search', class: 'field', placeholder: 'Search names and formats', 'aria-label': 'Search the tensors',
                              oninput: () => draw()});
  const each = el('input', {type: 'checkbox', onchange: () => draw()});
  const head = el('tr');
  const body = el('tbody');
  const found_note = el('p', {class: 'quiet', role: 'status'});
  const more = text_button('Show more', () => {
    limit += 5 * kRows;
    draw();
  });

  const compare = (a: Row, b: Row): number => {
    const [x, y] = [a[sorted_by!], b[sorted_by!]];
    return (typeof x === 'number' ? x - (y as number) : x.localeCompare(y as string, 'en', {numeric: true})) * (upwards ? 1 : -1);
  };
  const sort_by = (key: keyof Row): void => {
    upwards = sorted_by === key ? !upwards : key !== 'bytes' && key !== 'tensors';
    sorted_by = key;
    draw();
  };
  const draw = (): void => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = rows_of(tensors, !each.checked)
      .filter(row => words.every(word => `${row.name} ${row.stored} ${row.format}`.toLowerCase().includes(word)));
    if (sorted_by) rows.sort(compare);
    head.replaceChildren(...kColumns.map(({key, label, is_number}) => el('th', {
      class: is_number ? 'number' : null, 'aria-sort': sorted_by === key ? (upwards ? 'ascending' : 'descending') : null,
    }, el('button', {type: 'button', onclick: () => sort_by(key)}, label))));
    body.replaceChildren(...rows.slice(0, limit).map(row => el('tr', {}, el('td', {}, el('code', {}, row.name)),
      el('td', {class: 'number'}, count(row.tensors)), el('td', {}, row.shape), el('td', {}, row.stored), el('td', {}, row.format),
      el('td', {class: 'number'}, byte_count(row.bytes)))));
    more.hidden = rows.length <= limit;
    const shown = rows.reduce((sum, row) => sum + row.tensors, 0);
    found_note.textContent = `${count(shown)} tensors, ${byte_count(rows.reduce((sum, row) => sum + row.bytes, 0))}`;
  };
  draw();
  return el('section', {class: 'tensors'},
    el('header', {}, el('h2', {}, 'Tensors'), search, el('label', {class: 'check'}, each, el('span', {}, 'One row for each'))),
    el('div', {class: 'table-frame', tabindex: 0, role: 'region', 'aria-label': 'Tensors'},
       el('table', {}, el('thead', {}, head), body)), el('div', {class: 'table-foot'}, found_note, more));
}
