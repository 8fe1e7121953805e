// Light or dark: as the system has it, unless the user chose. The choice is kept in the browser.
import {el} from './dom';
import {browser_shelf} from './shelf';
import {Signal} from './signal';

export type Theme = 'system' | 'light' | 'dark';
const kKey = 'hone.theme';
const kOrder: Theme[] = ['system', 'light', 'dark'];

export const theme_changed = new Signal<Theme>();

export function chosen_theme(): Theme {
  const kept = browser_shelf.get(kKey) as Theme;
  return kOrder.includes(kept) ? kept : 'system';
}

function apply(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Before the first paint; canvases hear of changes of the system's preference too. */
export function begin_theme(): void {
  apply(chosen_theme());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => theme_changed.emit(chosen_theme()));
}

export function next_theme(): Theme {
  const theme = kOrder[(kOrder.indexOf(chosen_theme()) + 1) % kOrder.length];
  browser_shelf.set(kKey, theme);
  apply(theme);
  theme_changed.emit(theme);
  return theme;
}

/** The colour that a custom property such as --accent has now, for canvases. */
export function colour(name: string): string {
  const probe = el('span', {hidden: true});
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
