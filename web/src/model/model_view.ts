// The model: its shape drawn, its memory, its tensors. Asked for when it is first shown, and again when the server serves something else.
import {RequestFailed} from '../api/failure';
import {key_changed} from '../api/http';
import {base_model, models, models_changed} from '../api/models';
import {el, text_button} from '../page/dom';
import {count, short_count} from '../page/numbers';
import {architecture_drawing} from './architecture_drawing';
import {load_inspection, type Inspection} from './inspection';
import {memory_plan} from './memory_plan';
import {tensor_table} from './tensor_table';

function facts(inspection: Inspection): HTMLElement {
  const shape = inspection.architecture;
  const rows: [string, string][] = [
    ['Family', shape.model_type],
    ['Parameters', `${short_count(inspection.parameters)}, ${short_count(inspection.active_parameters)} active for a token`],
    ['Layers', `${shape.layers}, hidden ${count(shape.hidden)}`],
    ['Attention', `${shape.heads} heads of ${shape.head_dim}, ${shape.kv_heads} key-value heads`],
    ['Experts', shape.experts ? `${shape.experts}, ${shape.experts_per_token} a token` : 'none: a dense model'],
    ['Vocabulary', `${count(shape.vocabulary)} tokens`],
    ['Longest text', `${count(base_model()?.max_model_len ?? shape.max_positions)} tokens`],
  ];
  const adapters = models().filter(model => model.parent).map(model => model.id);
  if (adapters.length) rows.push(['Adapters', adapters.join(', ')]);
  return el('dl', {class: 'model-facts'}, ...rows.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
}

export class ModelView {
  readonly element = el('div', {class: 'model'});
  readonly bar = el('div', {class: 'bar-items'}, el('h1', {class: 'view-title'}, 'Model'));
  #loaded = false;
  #asked = 0;  // how often

  constructor() {
    const load_again = (): void => {
      this.#loaded = false;
      if (this.element.isConnected) this.shown();
    };
    key_changed.on(load_again);
    models_changed.on(load_again);  // it may come behind the model: the name and the longest text are there
  }

  shown(): void {
    if (!this.#loaded) void this.#load();
  }

  hidden(): void {
    // Nothing runs here.
  }

  async #load(): Promise<void> {
    this.#loaded = true;
    const turn = ++this.#asked;
    if (!this.element.querySelector('.shape')) this.element.replaceChildren(el('p', {class: 'quiet'}, 'Asking the server what it serves.'));
    try {
      const inspection = await load_inspection();
      if (turn !== this.#asked) return;
      this.element.replaceChildren(
        el('section', {class: 'shape'}, el('h2', {}, base_model()?.id ?? inspection.architecture.model_type), facts(inspection)),
        memory_plan(inspection), el('section', {class: 'drawing'}, architecture_drawing(inspection.architecture)),
        tensor_table(inspection.tensors));
    } catch (problem) {
      if (!(problem instanceof RequestFailed)) throw problem;
      if (turn !== this.#asked) return;
      this.#loaded = false;
      this.element.replaceChildren(el('p', {class: 'problem', role: 'alert'}, problem.failure.message),
                                   text_button('Retry', () => void this.#load()));
    }
  }
}
