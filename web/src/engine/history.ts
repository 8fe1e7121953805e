// The steps of the last while, and a lane for every sequence. The server does not say that a sequence ended: its lane is free once steps go on
// without it. Steps follow one another, so what shares a lane never overlaps; a sequence that comes back later gets another lane.
import {end_of, type Report, type SequenceWork, type Step} from './events';

const kKeepMs = 60_000;
const kMostSteps = 40_000;
const kMostLateMs = 1000;  // a report that is later than that tells that one of the clocks stood still
const kRestSteps = 8, kRestMs = 1000;  // whichever comes first after a sequence's last step

interface Lane {
  id: number;
  until_ms: number;  // end of the sequence's last step
  until_step: number;
}

/** A sequence's part of a step in its lane. */
export interface LaneWork extends SequenceWork {
  lane: number;
}

export interface LaneStep extends Step {
  number: number;
  sequences: LaneWork[];
}

export class History {
  steps: LaneStep[] = [];
  is_held = false;  // what is there stays, and nothing is added: somebody looks at it
  #lanes: Lane[] = [];
  #count = 0;
  begin_ms: number | null = null;  // the server's time of the first step: what the axis counts from
  shown_lanes = 1;                 // lanes that the picture has room for; sequences in further ones come up as soon as one of these is free
  #clock_offset = -Infinity;  // server's clock minus ours

  add(report: Report, received_ms: number): void {
    this.begin_ms ??= report.steps[0]?.t_ms ?? null;
    // The least delayed report tells best how the clocks differ; slow drift is followed, and a machine that slept.
    const offset = report.now_ms - received_ms;
    this.#clock_offset = offset < this.#clock_offset - kMostLateMs ? offset : Math.max(this.#clock_offset - 0.05, offset);
    this.#count += report.dropped;  // they went before those that are told
    if (this.is_held) {
      this.#count += report.steps.length;
      return;
    }
    for (const step of report.steps) {
      ++this.#count;
      this.steps.push({...step, number: this.#count, sequences: step.sequences.map(work => ({...work, lane: this.#lane_of(work.id, step)}))});
    }
    const oldest = report.now_ms - kKeepMs;
    let drop = Math.max(0, this.steps.length - kMostSteps);
    while (drop < this.steps.length && this.steps[drop].t_ms < oldest) ++drop;
    if (drop > 256) this.steps.splice(0, drop);
  }

  clear(): void {
    this.steps = [];
    this.begin_ms = null;
    this.#lanes = [];
    this.#clock_offset = -Infinity;
  }

  /** The server's time now. */
  server_now(now_ms: number): number {
    return now_ms + this.#clock_offset;
  }

  get has_clock(): boolean {
    return Number.isFinite(this.#clock_offset);
  }

  /** The first step that ends after `t_ms`. */
  first_after(t_ms: number): number {
    let low = 0;
    let high = this.steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (end_of(this.steps[middle]) < t_ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #lane_of(id: number, step: Step): number {
    const own = this.#lanes.findIndex(lane => lane.id === id);
    let index = own;
    if (own < 0 || own >= this.shown_lanes) {
      const free = this.#lanes.findIndex(lane => this.#is_free(lane, step));
      if (own < 0) index = free < 0 ? this.#lanes.length : free;
      else if (free >= 0 && free < this.shown_lanes) index = free;
    }
    if (own >= 0 && index !== own) this.#lanes[own].id = -1;
    this.#lanes[index] = {id, until_ms: step.t_ms + step.ms, until_step: this.#count};
    return index;
  }

  #is_free(lane: Lane, step: Step): boolean {
    return this.#count > lane.until_step + kRestSteps || step.t_ms > lane.until_ms + kRestMs;
  }
}
