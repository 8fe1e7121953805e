// The steps of the last while, and a lane for every sequence. A lane is free again some time after its sequence's last step.
import type {Report, SequenceWork, Step} from './events';

const kKeepMs = 60_000;
const kMostSteps = 40_000;
const kLaneRestMs = 1500;

interface Lane {
  id: number;
  until_ms: number;  // end of the sequence's last step
}

/** A sequence's part of a step in its lane. */
export interface LaneWork extends SequenceWork {
  lane: number;
}

export interface LaneStep extends Step {
  number: number;
  work: LaneWork[];
}

export class History {
  steps: LaneStep[] = [];
  last: Report | null = null;
  #lanes: Lane[] = [];
  #count = 0;
  begin_ms = 0;  // the server's time when the view began: what the axis counts from
  #clock_offset = -Infinity;  // server's clock minus ours

  add(report: Report, received_ms: number): void {
    if (!this.last) this.begin_ms = report.now_ms;
    this.last = report;
    // The least delayed report tells best how the clocks differ; slow drift is followed.
    this.#clock_offset = Math.max(this.#clock_offset - 0.05, report.now_ms - received_ms);
    for (const step of report.steps) {
      this.steps.push({...step, number: ++this.#count, work: step.sequences.map(work => ({...work, lane: this.#lane_of(work.id, step)}))});
    }
    const oldest = report.now_ms - kKeepMs;
    let drop = Math.max(0, this.steps.length - kMostSteps);
    while (drop < this.steps.length && this.steps[drop].t_ms < oldest) ++drop;
    if (drop > 256) this.steps.splice(0, drop);
  }

  clear(): void {
    this.steps = [];
    this.last = null;
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
      if (this.steps[middle].t_ms + this.steps[middle].ms < t_ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Longest in the middle: what a step takes now. */
  median_step_ms(): number {
    const lately = this.steps.slice(-200).map(step => step.ms).sort((a, b) => a - b);
    return lately[lately.length >> 1] ?? 0;
  }

  #lane_of(id: number, step: Step): number {
    const end = step.t_ms + step.ms;
    let index = this.#lanes.findIndex(lane => lane.id === id);
    if (index < 0) index = this.#lanes.findIndex(lane => lane.until_ms + kLaneRestMs < step.t_ms);
    if (index < 0) index = this.#lanes.length;
    this.#lanes[index] = {id, until_ms: end};
    return index;
  }
}
