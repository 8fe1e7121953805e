// Small things that the browser keeps for the page: choices in all tabs, drafts in one. Where it keeps nothing (storage is blocked or
// full) they last as long as the page; nothing here throws.

class Shelf {
  #memory = new Map<string, string>();

  constructor(private place: () => Storage) {}

  /** '' if it is not there. */
  get(key: string): string {
    const held = this.#memory.get(key);
    if (held !== undefined) return held;
    try {
      return this.place().getItem(key) ?? '';
    } catch {
      return '';
    }
  }

  /** An empty value is forgotten. */
  set(key: string, value: string): void {
    try {
      if (value) this.place().setItem(key, value);
      else this.place().removeItem(key);
      this.#memory.delete(key);
    } catch {
      this.#memory.set(key, value);
    }
  }
}

export const browser_shelf = new Shelf(() => localStorage);
export const tab_shelf = new Shelf(() => sessionStorage);
