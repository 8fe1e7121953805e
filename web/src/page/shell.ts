// The frame of the page: at the left the mark, the views and the conversations (a drawer on small screens), on top the bar of the view.
import {api_key, key_changed, reachable} from '../api/http';
import {load_models} from '../api/models';
import {RequestFailed} from '../api/failure';
import {el, icon_button} from './dom';
import {icon, mark, type IconName} from './icons';
import {chosen_theme, next_theme, type Theme} from './theme';

export interface View {
  element: HTMLElement;
  bar: HTMLElement;
  shown(): void;
  hidden(): void;
}

export type ViewName = 'chat' | 'engine' | 'model';
const kTitles: Record<ViewName, string> = {chat: 'Chat', engine: 'Engine', model: 'Model'};
const kThemeNames: Record<Theme, string> = {system: 'as the system', light: 'light', dark: 'dark'};
const kThemeIcons: Record<Theme, IconName> = {system: 'system', light: 'sun', dark: 'moon'};
const kAskEveryMs = 25_000;  // whether the server is there still, and what it serves by now
const kRetryMs = 2500;

export class Shell {
  readonly element: HTMLElement;
  #views: Record<ViewName, View>;
  #links = new Map<ViewName, HTMLElement>();
  #main = el('main', {id: 'main', tabindex: -1});
  #bar = el('div', {class: 'bar-slot'});
  #side: HTMLElement;
  #page = el('div', {class: 'page'});
  #menu = icon_button(icon('menu'), 'Menu', () => this.#set_drawer(true), {class: 'icon-button menu-button', 'aria-expanded': 'false'});
  #shade = el('div', {class: 'shade', hidden: true, onclick: () => this.close_drawer()});
  #status = el('p', {class: 'server-status', role: 'status'});
  #theme = icon_button(icon('system'), 'Theme', () => this.#show_theme(next_theme()));
  #next_ask: ReturnType<typeof setTimeout> | undefined;
  current: ViewName = 'chat';

  constructor(views: Record<ViewName, View>, conversations: HTMLElement, show_keys: () => void) {
    this.#views = views;
    const nav = el('nav', {class: 'views', 'aria-label': 'Views'});
    for (const name of Object.keys(views) as ViewName[]) {
      const link = el('a', {href: `#${name}`}, icon(name), kTitles[name]);
      this.#links.set(name, link);
      nav.append(link);
    }
    this.#side = el('div', {class: 'side'},
      el('div', {class: 'brand'}, mark(), el('span', {}, 'Hone')), nav, conversations,
      el('div', {class: 'side-foot'}, this.#status, el('span', {class: 'spring'}), this.#theme,
         icon_button(icon('help'), 'Keyboard shortcuts', show_keys)));
    this.element = el('div', {class: 'shell'}, el('a', {class: 'skip', href: '#main', onclick: (event: Event) => {
      event.preventDefault();
      this.#main.focus();
    }}, 'Skip to the content'), this.#side, this.#shade,
      this.#page);
    this.#page.append(el('header', {class: 'bar'}, this.#menu, this.#bar), this.#main);
    this.#side.addEventListener('keydown', event => {
      if (event.key !== 'Escape' || this.#shade.hidden) return;
      event.stopPropagation();
      this.close_drawer();
    });
    matchMedia('(min-width: 861px)').addEventListener('change', () => this.close_drawer());
    this.#show_theme(chosen_theme());
    reachable.on(is => this.#show_status(is));
    key_changed.on(() => void this.#connect());
    addEventListener('hashchange', () => this.#route());
    document.addEventListener('visibilitychange', () => document.hidden ? clearTimeout(this.#next_ask) : void this.#connect());
  }

  begin(): void {
    this.#route();
    void this.#connect();
  }

  /** At once, so that who calls can move the focus then. */
  go(name: ViewName): void {
    if (name !== this.current) location.hash = name;
    this.#route();
  }

  close_drawer(): void {
    this.#set_drawer(false);
  }

  /** While the drawer is open the rest of the page can only be closed to. */
  #set_drawer(open: boolean): void {
    const had_focus = this.#side.contains(document.activeElement);
    const was_open = this.#side.classList.contains('open');
    this.#side.classList.toggle('open', open);
    this.#shade.hidden = !open;
    this.#page.inert = open;
    this.#menu.setAttribute('aria-expanded', String(open));
    if (open) this.#links.get(this.current)?.focus();
    else if (was_open && had_focus) this.#menu.focus();
  }

  #route(): void {
    const wanted = location.hash.slice(1) as ViewName;
    const name: ViewName = Object.hasOwn(this.#views, wanted) ? wanted : 'chat';
    const before = this.#views[this.current], view = this.#views[name];
    this.close_drawer();
    if (before === view && view.element.isConnected) return;
    const had_focus = this.#main.contains(document.activeElement) || this.#bar.contains(document.activeElement);
    if (before !== view) before.hidden();
    this.current = name;
    document.title = name === 'chat' ? 'Hone' : `${kTitles[name]} - Hone`;
    for (const [other, link] of this.#links) {
      if (other === name) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    this.#main.replaceChildren(view.element);
    this.#bar.replaceChildren(view.bar);
    if (had_focus && before !== view) this.#main.focus();
    view.shown();
  }

  /** Asks the server for its models, and again after a while; a wrong key waits for another. */
  async #connect(): Promise<void> {
    clearTimeout(this.#next_ask);
    try {
      await load_models();
      this.#ask_in(kAskEveryMs);
    } catch (problem) {
      if (!(problem instanceof RequestFailed)) throw problem;
      const {kind, message} = problem.failure;  // that it is gone is said already
      if (kind !== 'offline' && (kind !== 'unauthorized' || api_key())) this.#status.textContent = message;
      if (kind !== 'unauthorized') this.#ask_in(kRetryMs);
    }
  }

  #show_status(is_reachable: boolean): void {
    this.#status.textContent = is_reachable ? 'Connected' : 'Server gone';
    this.#status.classList.toggle('gone', !is_reachable);
    if (!is_reachable) this.#ask_in(kRetryMs);
  }

  /** A page that nobody sees asks when it is seen. */
  #ask_in(ms: number): void {
    clearTimeout(this.#next_ask);
    if (!document.hidden) this.#next_ask = setTimeout(() => void this.#connect(), ms);
  }

  #show_theme(theme: Theme): void {
    this.#theme.replaceChildren(icon(kThemeIcons[theme]));
    this.#theme.title = `Theme: ${kThemeNames[theme]}`;
    this.#theme.setAttribute('aria-label', this.#theme.title);
  }
}
