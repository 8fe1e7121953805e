// The live view of the scheduler. Watches the server's events only while it is shown; tries again when the server is gone.
import {RequestFailed} from '../api/failure';
import {key_changed, key_wanted} from '../api/http';
import {el, icon_button, text_button} from '../page/dom';
import {icon} from '../page/icons';
import {plural} from '../page/numbers';
import {watch_engine, type Hello, type Report} from './events';
import {Figures} from './figures';
import {History} from './history';
import {make_load} from './load';
import {describe, Timeline} from './timeline';

const kRetryMs = 2000;
const kStillFrameMs = 500;  // between pictures where nothing moves, or the user wants no motion
const kDrawShare = 4;       // drawing takes at most one part in so many of the time
const kHiddenMs = 60_000;   // a page that nobody sees looks on no longer: the server tells what others may want to know
const kWindows = [100, 200, 500, 1000, 2000, 4000, 10_000, 30_000];

export class EngineView {
  readonly element: HTMLElement;
  readonly bar: HTMLElement;
  #history = new History();
  #canvas = el('canvas', {class: 'timeline', tabindex: 0, role: 'img'});
  #timeline = new Timeline(this.#canvas, this.#history);
  #figures = new Figures();
  #hello: Hello | null = null;
  #watching: AbortController | null = null;
  #load: AbortController | null = null;
  #frame = 0;
  #next_ms = 0;  // of the next picture
  #report: Report | null = null;
  #pointer: {x: number; y: number} | null = null;
  #wants_calm = matchMedia('(prefers-reduced-motion: reduce)');
  #hiding: ReturnType<typeof setTimeout> | undefined;
  #card = el('div', {class: 'hover-card', role: 'tooltip', hidden: true});
  #empty = el('div', {class: 'engine-empty'});
  #state = el('p', {class: 'quiet engine-state', role: 'status'});
  #pause = icon_button(icon('pause'), 'Pause', () => this.toggle_pause());
  #load_button = text_button('Make some load', () => void this.#toggle_load(), {class: 'button load'});
  #window: HTMLSelectElement = el('select', {class: 'field', 'aria-label': 'Time shown', onchange: () => this.#timeline.set_window(Number(this.#window.value))},
               ...kWindows.map(ms => el('option', {value: ms, selected: ms === 4000}, ms < 1000 ? `${ms} ms` : `${ms / 1000} s`)));

  constructor() {
    this.bar = el('div', {class: 'bar-items'}, el('h1', {class: 'view-title'}, 'Engine'), this.#load_button, this.#window, this.#pause);
    this.#empty.append(el('p', {}, 'Nothing runs at the moment.'),
                       el('p', {class: 'quiet'}, 'Talk to the model in the chat, or let this page send four streams and a long prompt.'),
                       text_button('Make some load', () => void this.#toggle_load(), {class: 'button primary'}));
    this.element = el('div', {class: 'engine'}, this.#figures.element,
      el('div', {class: 'timeline-frame'}, this.#canvas, this.#empty, this.#card), this.#legend(), this.#state);
    this.#listen();
    key_changed.on(() => this.#watching && this.#restart());
    document.addEventListener('visibilitychange', () => this.#seen(!document.hidden));
  }

  shown(): void {
    if (!this.#watching) this.#restart();
  }

  hidden(): void {
    this.#watching?.abort();
    this.#watching = null;
    this.#load?.abort();  // it is there to be looked at
    this.#pointer = null;
    clearTimeout(this.#hiding);
    cancelAnimationFrame(this.#frame);
  }

  /** Where nobody sees the page it looks on for a while only. */
  #seen(is_seen: boolean): void {
    clearTimeout(this.#hiding);
    if (!this.#watching) return;
    if (!is_seen) this.#hiding = setTimeout(() => this.#watching?.abort(), kHiddenMs);
    else if (this.#watching.signal.aborted) this.#restart();
  }

  toggle_pause(): void {
    if (this.#timeline.is_paused) this.#timeline.resume();
    else this.#timeline.pause();
    this.#begin_picture();
    const paused = this.#timeline.is_paused;
    this.#pause.replaceChildren(icon(paused ? 'play' : 'pause'));
    this.#pause.title = paused ? 'Go on' : 'Pause';
    this.#pause.setAttribute('aria-label', this.#pause.title);
  }

  zoom(step: number): void {
    const index = kWindows.indexOf(this.#timeline.window_ms) + step;
    if (!kWindows[index]) return;
    this.#timeline.set_window(kWindows[index]);
    this.#window.value = String(kWindows[index]);
  }

  pan(share: number): void {
    this.#timeline.pan(share);
  }

  #restart(): void {
    this.#watching?.abort();
    const watching = (this.#watching = new AbortController());
    void this.#watch(watching.signal);
    cancelAnimationFrame(this.#frame);
    const animate = (now: number): void => {
      this.#frame = requestAnimationFrame(animate);
      this.#animate(now);
    };
    this.#frame = requestAnimationFrame(animate);
    this.#seen(!document.hidden);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await watch_engine({hello: hello => this.#greet(hello), report: report => this.#take(report)}, signal);
        if (signal.aborted) return;
        this.#state.textContent = 'The server ended the view. Trying again.';
      } catch (problem) {
        if (signal.aborted) return;
        if (!(problem instanceof RequestFailed)) throw problem;
        const message = problem.failure.message.replace(/\.?$/, '.');
        this.#state.textContent = `${message} Trying again.`;
        if (problem.failure.kind === 'unauthorized') {  // until there is another key
          this.#state.replaceChildren(`${message} `, text_button('Enter a key', () => key_wanted.emit(), {class: 'link'}));
          return;
        }
      } finally {
        this.#figures.is_stale = true;
      }
      await new Promise(resolve => setTimeout(resolve, kRetryMs));
    }
  }

  #greet(hello: Hello): void {
    this.#hello = hello;
    this.#begin_picture();
    this.#figures.is_stale = false;
    this.#state.textContent = `${hello.model}: ${plural(hello.layers, 'layer')} on ${plural(hello.threads, 'thread')}, ` +
      `prefill policy ${hello.policy}, Hone ${hello.version}`;
  }

  /** A new one of what the last greeting began; one that is paused stays until it goes on. */
  #begin_picture(): void {
    if (this.#timeline.is_paused || this.#timeline.hello === this.#hello) return;
    this.#history.clear();
    this.#timeline.hello = this.#hello;
  }

  #take(report: Report): void {
    this.#history.add(report, performance.now());
    this.#report = report;
    if (!this.#hello) return;
    this.#figures.update(this.#hello, report);
    const label = `Steps of the last ${this.#timeline.window_ms / 1000} seconds. ${plural(report.streams, 'stream')} running, ` +
      `${report.waiting} waiting.`;
    if (this.#canvas.getAttribute('aria-label') !== label) this.#canvas.setAttribute('aria-label', label);
  }

  #animate(now: number): void {
    if (now < this.#next_ms) return;
    const is_busy = (this.#report?.streams ?? 0) + (this.#report?.waiting ?? 0) > 0;
    const is_idle = this.#timeline.is_empty && !is_busy;
    this.#empty.hidden = !is_idle || this.#load !== null || this.#timeline.is_paused;
    const began = performance.now();
    this.#timeline.draw();
    if (this.#pointer) this.#point(this.#pointer.x, this.#pointer.y);
    const is_still = this.#timeline.is_paused || is_idle || this.#wants_calm.matches;
    this.#next_ms = now + (is_still ? kStillFrameMs : (kDrawShare - 1) * (performance.now() - began));
  }

  async #toggle_load(): Promise<void> {
    if (this.#load) return this.#load.abort();
    const load = (this.#load = new AbortController());
    this.#load_button.textContent = 'Stop the load';
    this.#empty.hidden = true;
    try {
      await make_load(load.signal);
    } catch (problem) {
      if (problem instanceof RequestFailed) this.#state.textContent = problem.failure.message;
      else if (!load.signal.aborted) throw problem;
    } finally {
      load.abort();
      this.#load = null;
      this.#load_button.textContent = 'Make some load';
    }
  }

  #legend(): HTMLElement {
    const entry = (kind: string, text: string): HTMLElement => el('li', {}, el('i', {class: `swatch ${kind}`}), text);
    return el('div', {class: 'legend'},
      el('ul', {}, entry('decode', 'Decoding: one token through all layers'), entry('prefill', 'Reading a prompt: some tokens through some layers'),
         entry('training', 'Training in the gaps')),
      el('p', {}, 'Time runs to the right; each lane is one sequence, its height the layers of the model. A long prompt climbs through the ' +
         'layers in groups, a stair, while the streams beside it keep their pace: that is layered prefill.'));
  }

  #listen(): void {
    const canvas = this.#canvas;
    let dragged_from: number | null = null;
    canvas.addEventListener('pointermove', event => {
      if (dragged_from !== null && this.#timeline.is_paused) {
        this.#timeline.pan((dragged_from - event.offsetX) / canvas.clientWidth);
        dragged_from = event.offsetX;
      }
      this.#pointer = {x: event.offsetX, y: event.offsetY};
      this.#point(event.offsetX, event.offsetY);
    });
    canvas.addEventListener('pointerdown', event => {
      dragged_from = event.offsetX;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('lostpointercapture', () => (dragged_from = null));  // also where the browser takes a touch for scrolling
    canvas.addEventListener('pointerleave', () => {
      this.#pointer = null;
      this.#card.hidden = true;
    });
    canvas.addEventListener('keydown', event => {
      if (event.key === 'ArrowLeft') this.pan(-0.25);
      if (event.key === 'ArrowRight') this.pan(0.25);
    });
  }

  #point(x: number, y: number): void {
    const pointed = this.#timeline.at(x, y);
    this.#card.hidden = !pointed;
    if (!pointed) return;
    const [title, ...lines] = describe(pointed, this.#timeline.hello?.layers ?? 0);
    this.#card.replaceChildren(el('strong', {}, title), ...lines.map(line => el('span', {}, line)));
    const room = this.#canvas.clientWidth - this.#card.offsetWidth - 12;
    this.#card.style.left = `${Math.max(0, Math.min(room, x + 14))}px`;
    this.#card.style.top = `${Math.max(0, Math.min(this.#canvas.clientHeight - this.#card.offsetHeight, y + 14))}px`;
  }
}
