// The moving picture: time runs to the right, every sequence has a lane, and within a lane the layers go up from the first to the last.
// A step of a decoding stream fills its lane's height (one token through all layers); a prompt's step fills the layers that it took its
// tokens through, so that a prompt read by groups of layers climbs like a stair. Training has a lane of its own at the bottom.
import {once_a_frame} from '../page/dom';
import {duration} from '../page/numbers';
import {colour, theme_changed} from '../page/theme';
import {end_of, type Hello} from './events';
import type {History, LaneStep, LaneWork} from './history';

const kDelayMs = 350;  // reports come in bundles; so much behind, the picture moves evenly
const kAxis = 22, kLeft = 44, kGap = 6, kTrainingLane = 18, kMoreLine = 16;
const kMostLane = 76, kLeastLane = 18, kTwoLabels = 28;  // a lane's height; from the last on, its top and bottom layers have a label each

export interface Pointed {
  step: LaneStep;
  work: LaneWork | null;  // null: training
  x: number;
  y: number;
}

interface Colours {
  text: string;
  line: string;
  lane: string;
  decode: string;
  prefill: string;
  training: string;
  on_prefill: string;
}

function read_colours(): Colours {
  return {text: colour('--text-quiet'), line: colour('--line'), lane: colour('--lane'), decode: colour('--decode'),
          prefill: colour('--prefill'), training: colour('--training'), on_prefill: colour('--on-prefill')};
}

export class Timeline {
  readonly canvas: HTMLCanvasElement;
  window_ms = 4000;
  hello: Hello | null = null;
  #paused_at: number | null = null;  // the server's time at the right edge
  #shift_ms = 0;                     // how far the user looked back while paused
  #colours: Colours;
  #lanes = 1;   // that the time shown needs
  #drawn = 1;   // of them, those that have room
  #lane_height = kMostLane;
  #last: {pixel: number; kind: string; from: number; to: number}[] = [];  // drawn in each lane
  #context: CanvasRenderingContext2D;
  #redraw = once_a_frame(() => this.draw());

  constructor(canvas: HTMLCanvasElement, private history: History) {
    this.canvas = canvas;
    this.#context = canvas.getContext('2d')!;
    this.#colours = read_colours();
    theme_changed.on(() => {
      this.#colours = read_colours();
      this.#redraw();
    });
    new ResizeObserver(() => this.#redraw()).observe(canvas);
  }

  get is_paused(): boolean {
    return this.#paused_at !== null;
  }

  /** Whether the time shown has nothing in it. */
  get is_empty(): boolean {
    const newest = this.history.steps.at(-1);
    return !this.history.has_clock || newest === undefined || end_of(newest) < this.#right_edge() - this.window_ms;
  }

  pause(): void {
    this.history.is_held = true;
    this.#paused_at = this.#right_edge();
    this.#shift_ms = 0;
  }

  resume(): void {
    this.history.is_held = false;
    this.#paused_at = null;
    this.#shift_ms = 0;
  }

  /** Looks back (negative) or on while paused, by a share of the window. */
  pan(share: number): void {
    if (!this.is_paused) return;
    const first = this.history.steps[0]?.t_ms ?? this.#paused_at!;
    this.#shift_ms = Math.min(0, Math.max(first - this.#paused_at!, this.#shift_ms + share * this.window_ms));
    this.#redraw();
  }

  set_window(ms: number): void {
    this.window_ms = ms;
    this.#redraw();
  }

  draw(): void {
    const {canvas} = this;
    const ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = this.#context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = '11px system-ui, sans-serif';
    if (!this.history.has_clock) return;
    const end = this.#right_edge();
    const begin = end - this.window_ms;
    const steps = this.history.steps;
    const from = this.history.first_after(begin);
    this.#lay_out(from, end, height);
    this.#draw_lanes(width, height);
    this.#draw_time(begin, end, width, height);
    context.save();
    context.beginPath();
    context.rect(kLeft, 0, width - kLeft, height);
    context.clip();
    let newest = 0;
    this.#last.length = 0;
    for (let i = from; i < steps.length && steps[i].t_ms < end; ++i) {
      this.#draw_step(steps[i], begin, width, height);
      newest = steps[i].number;
    }
    context.restore();
    canvas.dataset.steps = String(newest);
  }

  /** What is drawn at a place of the canvas. */
  at(x: number, y: number): Pointed | null {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (x < kLeft || !this.history.has_clock) return null;
    const end = this.#right_edge();
    const t = end - (width - x) / (width - kLeft) * this.window_ms;
    const pixel = this.window_ms / (width - kLeft);
    const lane = Math.floor((y - kGap / 2) / (this.#lane_height + kGap));
    const steps = this.history.steps;
    for (let i = this.history.first_after(t - pixel); i < steps.length && steps[i].t_ms <= t + pixel; ++i) {
      const step = steps[i];
      if (y > height - kAxis - kTrainingLane) {
        if (step.training_ms > 0 && t >= step.t_ms + step.ms - pixel && t <= end_of(step) + pixel) return {step, work: null, x, y};
        continue;
      }
      const work = lane < this.#drawn && step.sequences.find(other => other.lane === lane);
      if (work) return {step, work, x, y};
    }
    return null;
  }

  #right_edge(): number {
    if (this.#paused_at !== null) return this.#paused_at + this.#shift_ms;
    return this.history.server_now(performance.now()) - kDelayMs;
  }

  #x(t: number, begin: number, width: number): number {
    return kLeft + (t - begin) / this.window_ms * (width - kLeft);
  }

  #lay_out(from: number, end: number, height: number): void {
    let lanes = 1;
    const steps = this.history.steps;
    for (let i = from; i < steps.length && steps[i].t_ms < end; ++i)
      for (const work of steps[i].sequences) lanes = Math.max(lanes, work.lane + 1);
    // Lanes are added at once and taken away slowly, so that the picture does not jump.
    this.#lanes = lanes >= this.#lanes ? lanes : Math.max(lanes, this.#lanes - 0.02);
    const room = height - kAxis - kTrainingLane - kGap;
    this.history.shown_lanes = Math.max(1, Math.floor((room - kMoreLine) / (kLeastLane + kGap)));
    this.#drawn = Math.min(Math.ceil(this.#lanes), this.history.shown_lanes);
    const room_of_lanes = this.#drawn < this.#lanes ? room - kMoreLine : room;
    this.#lane_height = Math.min(kMostLane, room_of_lanes / this.#drawn - kGap);
  }

  #draw_lanes(width: number, height: number): void {
    const context = this.#context;
    const layers = this.hello?.layers ?? 0;
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (let lane = 0; lane < this.#drawn; ++lane) {
      const top = this.#lane_top(lane);
      context.fillStyle = this.#colours.lane;
      context.fillRect(kLeft, top, width - kLeft, this.#lane_height);
      context.fillStyle = this.#colours.text;
      if (this.#lane_height < kTwoLabels) {
        context.fillText(layers > 1 ? `L1\u2013${layers}` : 'L1', kLeft - 8, top + this.#lane_height / 2);
        continue;
      }
      context.fillText(`L${layers}`, kLeft - 8, top + 6);
      context.fillText('L1', kLeft - 8, top + this.#lane_height - 6);
    }
    context.fillStyle = this.#colours.text;
    context.fillText('train', kLeft - 8, height - kAxis - kTrainingLane / 2 - 3);
    context.fillStyle = this.#colours.lane;
    context.fillRect(kLeft, height - kAxis - kTrainingLane, width - kLeft, kTrainingLane - 6);
    const more = Math.ceil(this.#lanes) - this.#drawn;
    this.canvas.dataset.more = String(more);
    if (more <= 0) return;
    context.fillStyle = this.#colours.text;
    context.textAlign = 'left';
    context.fillText(`+ ${more} more`, kLeft, this.#lane_top(this.#drawn) + kMoreLine / 2 - kGap / 2);
  }

  #draw_time(begin: number, end: number, width: number, height: number): void {
    const context = this.#context;
    const most = Math.max(2, (width - kLeft) / 90);  // labels that have room
    const tick = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000].find(ms => this.window_ms / ms <= most) ?? 10_000;
    context.textBaseline = 'alphabetic';
    context.textAlign = 'center';
    const zero = this.history.begin_ms;
    if (zero === null) return;
    for (let t = zero + Math.max(0, Math.ceil((begin - zero) / tick)) * tick; t < end; t += tick) {
      const x = Math.round(this.#x(t, begin, width)) + 0.5;
      context.strokeStyle = this.#colours.line;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, height - kAxis);
      context.stroke();
      const seconds = (t - zero) / 1000;
      const text = `${seconds.toFixed(tick < 100 ? 2 : tick < 1000 ? 1 : 0)} s`;
      context.fillStyle = this.#colours.text;
      if (x > kLeft + 24 && x < width - 24) context.fillText(text, x, height - 6);
    }
  }

  #draw_step(step: LaneStep, begin: number, width: number, height: number): void {
    const context = this.#context;
    const left = this.#x(step.t_ms, begin, width);
    const full = this.#x(step.t_ms + step.ms, begin, width) - left;
    const wide = Math.max(1, full - (full > 4 ? 1 : 0));
    const layers = Math.max(1, this.hello?.layers ?? 1);
    for (const work of step.sequences) {
      if (work.lane >= this.#drawn || this.#is_drawn(work, left)) continue;
      const lane_top = this.#lane_top(work.lane);
      const top = lane_top + this.#lane_height * (1 - work.layers[1] / layers);
      const high = this.#lane_height * (work.layers[1] - work.layers[0]) / layers;
      context.fillStyle = work.kind === 'decode' ? this.#colours.decode : this.#colours.prefill;
      context.fillRect(left, top, wide, Math.max(1, high));
      const label = String(work.tokens);
      if (work.kind === 'prefill' && wide > 26 && high > 13) this.#label(label, left + wide / 2, top + high / 2);
    }
    if (step.training_ms > 0) {
      const right = this.#x(end_of(step), begin, width);
      context.fillStyle = this.#colours.training;
      context.fillRect(left + full, height - kAxis - kTrainingLane, Math.max(1, right - left - full), kTrainingLane - 6);
    }
  }

  /** Whether the lane shows the same at this pixel already: a window of many seconds has more steps than pixels. */
  #is_drawn(work: LaneWork, left: number): boolean {
    const pixel = Math.floor(left), last = this.#last[work.lane];
    if (last?.pixel === pixel && last.kind === work.kind && last.from === work.layers[0] && last.to === work.layers[1]) return true;
    this.#last[work.lane] = {pixel, kind: work.kind, from: work.layers[0], to: work.layers[1]};
    return false;
  }

  #label(text: string, x: number, y: number): void {
    this.#context.fillStyle = this.#colours.on_prefill;
    this.#context.textAlign = 'center';
    this.#context.textBaseline = 'middle';
    this.#context.fillText(text, x, y);
  }

  #lane_top(lane: number): number {
    return kGap + lane * (this.#lane_height + kGap);
  }
}

/** What a pointed-at piece says, line by line. */
export function describe(pointed: Pointed, layers: number): string[] {
  const {step, work} = pointed;
  const of_step = `Step ${step.number}: ${duration(step.ms)}, ${step.sequences.length} ${step.sequences.length === 1 ? 'sequence' : 'sequences'}`;
  const beside = step.ms > 0 ? ` behind a step of ${duration(step.ms)}` : ', while nothing else ran';
  if (!work) return ['Training', duration(step.training_ms) + beside];
  const through = work.layers[0] === 0 && work.layers[1] === layers ? `all ${layers} layers` : `layers ${work.layers[0] + 1} to ${work.layers[1]} of ${layers}`;
  const last = work.first + work.tokens - 1;
  const what = work.kind === 'decode' ? `position ${work.first}` : `${work.tokens} tokens, positions ${work.first} to ${last}`;
  return [`Sequence ${work.id}, ${work.kind === 'decode' ? 'decoding' : 'reading its prompt'}`, what, through,
          work.emits ? 'gives a token' : 'gives no token yet', of_step];
}
