// The chat: its bar (title, model, export, settings), the thread, the composer and the settings panel.
import {base_model, models, models_changed} from '../api/models';
import {download, el, icon_button, make_modal, text_button} from '../page/dom';
import {icon} from '../page/icons';
import type {Chats} from './chats';
import {Composer} from './composer';
import {path, title_of} from './conversation';
import {file_name, to_json, to_markdown} from './exchange';
import {model_of} from './request';
import {SettingsPanel} from './settings_panel';
import {Thread, welcome} from './thread';
import {kExampleTools} from './tools';

export class ChatView {
  readonly element: HTMLElement;
  readonly bar: HTMLElement;
  readonly composer: Composer;
  readonly thread: Thread;
  #panel: SettingsPanel;
  #main = el('div', {class: 'chat-main'});
  #title = el('h1', {class: 'view-title'});
  #model = el('select', {class: 'field model-choice', 'aria-label': 'Model', onchange: () => {
    this.chats.change_settings({model: this.#model.value});
  }});
  #is_narrow = matchMedia('(max-width: 860px)');
  #uncover: () => void = () => undefined;
  #settings_button = icon_button(icon('settings'), 'Settings', () => this.toggle_settings(), {'aria-expanded': 'false'});

  constructor(private chats: Chats) {
    this.thread = new Thread(chats, model => welcome(model, this.#suggestions()));
    this.composer = new Composer(chats, () => this.edit_last());
    this.#panel = new SettingsPanel(chats, () => this.toggle_settings(false));
    this.bar = el('div', {class: 'bar-items'}, this.#title, this.#model, this.#export_menu(), this.#settings_button);
    this.#main.append(this.thread.element, this.composer.element);
    this.element = el('div', {class: 'chat'}, this.#main, this.#panel.element);
    this.#is_narrow.addEventListener('change', () => this.#cover());
    chats.answering_changed.on(conversation => conversation === chats.current && this.composer.take_focus());
    chats.opened.on(() => this.#draw());
    chats.list_changed.on(() => this.#draw());
    models_changed.on(() => {
      this.#draw();
      this.thread.refresh();
    });
    this.#draw();
    this.thread.refresh();
  }

  shown(): void {
    this.composer.fit();
    this.#cover();
    if (matchMedia('(hover: hover)').matches) this.composer.field.focus();
  }

  /** Answers go on. */
  hidden(): void {
    this.#uncover();
  }

  toggle_settings(open = this.#panel.element.hidden): void {
    this.#panel.element.hidden = !open;
    this.#cover();
    this.#settings_button.setAttribute('aria-expanded', String(open));
    if (open) this.#panel.focus();
    else this.#settings_button.focus();
  }

  edit_last(): void {
    this.thread.last('user')?.edit();
  }

  regenerate_last(): void {
    const answer = this.thread.last('assistant');
    if (answer && !this.chats.is_answering()) this.chats.regenerate(answer.message);
  }

  continue_last(): void {
    const answer = this.thread.last('assistant');
    if (answer) this.chats.continue_answer(answer.message);
  }

  toggle_tokens(): void {
    this.thread.last('assistant')?.toggle_tokens();
  }

  step_branch(step: number): void {
    const answer = this.thread.last('assistant') ?? this.thread.last('user');
    if (answer) this.chats.choose(answer.message, step);
  }

  /** On a small screen the open panel covers the page. */
  #cover(): void {
    this.#uncover();
    const covers = this.#is_narrow.matches && !this.#panel.element.hidden && this.element.isConnected;
    this.#uncover = covers ? make_modal(this.#panel.element) : () => undefined;
  }

  #draw(): void {
    this.#title.textContent = title_of(this.chats.current);
    const chosen = model_of(this.chats.current);
    const base = base_model()?.id;
    this.#model.replaceChildren(...models().map(model => el('option', {value: model.id, selected: model.id === chosen},
      model.parent && model.id !== base ? `${model.id} (adapter)` : model.id)));
    this.#model.hidden = models().length === 0;
    this.#model.disabled = models().length < 2;
  }

  #suggestions(): [string, () => void][] {
    const ask = (text: string): [string, () => void] => [text, () => this.chats.send(text)];
    return [
      ask('What is Hone, and what can you do?'),
      ask('What is 347 + 586? Think first.'),
      ask('Sort these numbers: 41, 7, 19, 88, 3'),
      ['Try a tool: the weather in Oslo', () => {
        if (!this.chats.current.settings.tools.trim()) this.chats.set_up({tools: kExampleTools});
        this.chats.send('What is the weather in Oslo?');
      }],
    ];
  }

  #export_menu(): HTMLElement {
    const save = (ending: string, type: string, text: () => string): void => {
      if (path(this.chats.current).length) download(file_name(this.chats.current, ending), type, text());
      menu.open = false;
    };
    const menu = el('details', {class: 'menu'}, el('summary', {class: 'icon-button', 'aria-label': 'Export', title: 'Export'}, icon('save')),
      el('div', {class: 'menu-items'},
         text_button('Markdown, this branch', () => save('md', 'text/markdown', () => to_markdown(this.chats.current)), {class: 'menu-item'}),
         text_button('JSON, all branches', () => save('json', 'application/json', () => to_json([this.chats.current])), {class: 'menu-item'})));
    menu.addEventListener('keydown', event => {
      if (event.key !== 'Escape' || !menu.open) return;
      event.stopPropagation();
      menu.open = false;
      menu.querySelector('summary')!.focus();
    });
    menu.addEventListener('focusout', event => {
      if (!menu.contains(event.relatedTarget as Node | null)) menu.open = false;
    });
    return menu;
  }
}
