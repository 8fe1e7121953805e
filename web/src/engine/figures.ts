// The engine's counts as tiles, each with a bar where there is something to compare with.
import {el} from '../page/dom';
import {count, duration, percent, rate} from '../page/numbers';
import type {Hello, Report} from './events';

interface Tile {
  element: HTMLElement;
  set: (value: string, note: string, share?: number, is_over?: boolean) => void;
}

function tile(label: string, has_bar = false): Tile {
  const value = el('strong', {class: 'number'}, '0');
  const note = el('span', {class: 'note'});
  const bar = has_bar ? el('span', {class: 'bar'}) : null;
  return {
    element: el('div', {class: 'tile', role: 'group', 'aria-label': label}, el('span', {class: 'label'}, label), value, bar, note),
    set: (text, more, share = 0, is_over = false) => {
      value.textContent = text;
      note.textContent = more;
      bar?.style.setProperty('--share', String(Math.min(1, share)));
      bar?.classList.toggle('over', is_over);
    },
  };
}

export class Figures {
  readonly element: HTMLElement;
  #rate = tile('Decoding');
  #prompts = tile('Reading prompts');
  #streams = tile('Streams');
  #pages = tile('Cache pages', true);
  #prefix = tile('Prefix hits');
  #gaps = tile('Gap between tokens', true);

  constructor() {
    this.element = el('div', {class: 'figures'}, ...[this.#rate, this.#prompts, this.#streams, this.#gaps, this.#pages, this.#prefix]
      .map(other => other.element));
  }

  /** Whether they are of a while ago. */
  set is_stale(stale: boolean) {
    this.element.classList.toggle('stale', stale);
  }

  update(hello: Hello, report: Report): void {
    this.#rate.set(rate(report.tokens_per_second), 'tokens/s');
    this.#prompts.set(rate(report.prompt_tokens_per_second), 'tokens/s');
    this.#streams.set(count(report.streams), report.waiting ? `running, ${count(report.waiting)} waiting` : 'running, none waiting');
    const pages = hello.pages ? report.pages_used / hello.pages : 0;
    this.#pages.set(count(report.pages_used), `of ${count(hello.pages)}, ${hello.page_tokens} tokens each (${percent(pages)})`, pages, pages > 0.95);
    this.#prefix.set(count(report.prefix_hit_tokens), 'prompt tokens found in the cache');
    const {gap_p50_ms: p50, gap_p99_ms: p99} = report;
    const target = report.gap_target_ms ?? 0;
    const aim = target > 0 ? `, target ${duration(target)}` : '';
    if (p50 === null || p99 === null) this.#gaps.set('none', `no stream yet${aim}`);
    else this.#gaps.set(duration(p50), `p50; p99 ${duration(p99)}${aim}`, target > 0 ? p99 / target : 0, target > 0 && p99 > target);
  }
}
