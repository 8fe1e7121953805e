// What goes with every request of the open conversation: system prompt, sampling, thinking, tools. New conversations begin with what was chosen last.
import {el, icon_button, text_button} from '../page/dom';
import {icon} from '../page/icons';
import type {Chats} from './chats';
import {kDefaultSettings, type Sampling, type Settings, type Thinking} from './conversation';
import {kExampleTools, parse_tools} from './tools';

interface NumberField {
  name: keyof Sampling;
  label: string;
  hint: string;
  min: number;
  max: number;
  step: number;
}

const kFields: NumberField[] = [
  {name: 'temperature', label: 'Temperature', hint: '0 takes the likeliest token', min: 0, max: 2, step: 0.1},
  {name: 'top_p', label: 'Top p', hint: 'Draws from the likeliest tokens of this share', min: 0.01, max: 1, step: 0.05},
  {name: 'top_k', label: 'Top k', hint: 'Draws from this many tokens; 0: all', min: 0, max: 1000, step: 1},
  {name: 'max_tokens', label: 'Most tokens', hint: 'Of one answer', min: 1, max: 1_000_000, step: 1},
  {name: 'seed', label: 'Seed', hint: 'The same seed gives the same answer', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1},
];

export class SettingsPanel {
  readonly element: HTMLElement;
  #body = el('div', {class: 'panel-body'});

  constructor(private chats: Chats, close: () => void) {
    this.element = el('aside', {class: 'panel', 'aria-label': 'Settings', hidden: true},
                      el('header', {}, el('h2', {}, 'Settings'), icon_button(icon('close'), 'Close the settings', close)), this.#body);
    this.element.addEventListener('keydown', event => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close();
    });
    chats.opened.on(() => this.#draw());
    chats.settings_changed.on(conversation => conversation === chats.current && this.#draw());
    this.#draw();
  }

  focus(): void {
    this.#body.querySelector<HTMLElement>('textarea')?.focus();
  }

  #draw(): void {
    const {settings} = this.chats.current;
    const system: HTMLTextAreaElement = el('textarea', {class: 'field', rows: 4, value: settings.system, placeholder: 'How the model should behave',
                                   oninput: () => this.#change({system: system.value})});
    this.#body.replaceChildren(
      el('label', {class: 'setting'}, el('span', {class: 'label'}, 'System prompt'), system),
      el('fieldset', {class: 'sampling'}, el('legend', {}, 'Sampling'), ...kFields.map(field => this.#number(field, settings))),
      this.#thinking(settings), this.#tools(settings), this.#logprobs(settings),
      text_button('Reset all settings', () => {
        this.#change(structuredClone(kDefaultSettings));
        this.#draw();
      }));
  }

  #change(change: Partial<Settings>): void {
    this.chats.change_settings(change);
  }

  #number(field: NumberField, settings: Settings): HTMLElement {
    const id = `setting-${field.name}`;
    const hint = el('span', {class: 'hint', id: `${id}-hint`, role: 'status'}, field.hint);
    const input = el('input', {
      id, type: 'number', class: 'field', min: field.min, max: field.max, step: field.step, placeholder: 'default',
      value: settings.sampling[field.name] ?? '', 'aria-describedby': `${id}-hint`,
      oninput: () => {
        const value = input.value === '' ? null : Number(input.value);
        const is_whole = field.step !== 1 || value === null || Number.isInteger(value);
        const is_wrong = input.validity.badInput || (value !== null && !(is_whole && value >= field.min && value <= field.max));
        input.setAttribute('aria-invalid', String(is_wrong));
        hint.className = is_wrong ? 'problem' : 'hint';
        hint.textContent = is_wrong ? `${field.step === 1 ? 'A whole number' : 'A number'} from ${field.min} to ${field.max}` : field.hint;
        if (!is_wrong) this.#change({sampling: {...this.chats.current.settings.sampling, [field.name]: value}});
      },
    });
    return el('div', {class: 'number-setting'}, el('label', {for: id}, field.label), input,
              hint);
  }

  #thinking(settings: Settings): HTMLElement {
    const choices: [Thinking, string][] = [['default', "Model's own"], ['on', 'On'], ['off', 'Off']];
    return el('fieldset', {class: 'choices'}, el('legend', {}, 'Thinking'), ...choices.map(([value, label]) =>
      el('label', {}, el('input', {type: 'radio', name: 'thinking', checked: settings.thinking === value,
                                   onchange: () => this.#change({thinking: value})}), el('span', {}, label))));
  }

  #tools(settings: Settings): HTMLElement {
    const note = el('p', {class: 'hint', role: 'status'});
    const field: HTMLTextAreaElement = el('textarea', {class: 'field code', rows: 8, value: settings.tools, spellcheck: 'false', id: 'setting-tools',
                                  placeholder: '[{"name": ..., "description": ..., "parameters": {...}}]',
                                  oninput: () => change(field.value)});
    const describe = (text: string): void => {
      try {
        const tools = parse_tools(text);
        note.className = 'hint';
        note.textContent = tools.length ? `The model may call ${tools.map(tool => tool.function.name).join(', ')}.`
          : 'Functions with JSON schemas that the model may call. You give the results.';
      } catch (problem) {
        note.className = 'problem';
        note.textContent = (problem as Error).message;
      }
    };
    const change = (text: string): void => {
      this.#change({tools: text});
      describe(text);
    };
    describe(settings.tools);
    const example = text_button('Insert an example', () => {
      field.value = kExampleTools;
      change(field.value);
    }, {class: 'link'});
    return el('div', {class: 'setting'}, el('div', {class: 'label-row'}, el('label', {class: 'label', for: 'setting-tools'}, 'Tools'), example),
              field, note);
  }

  #logprobs(settings: Settings): HTMLElement {
    return el('label', {class: 'check'}, el('input', {type: 'checkbox', checked: settings.logprobs, onchange: (event: Event) =>
      this.#change({logprobs: (event.target as HTMLInputElement).checked})}),
              el('span', {}, 'Keep the probability of every token, for the token view'));
  }
}
