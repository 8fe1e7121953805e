// Building elements. Text is always set as text; markup comes only from chat/markdown.ts, sanitised.

export type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | null | undefined | ((event: never) => void);
type Attributes = Record<string, Value>;

function fill(node: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name.slice(2), value as EventListener);  // onclick, oninput
    else if (name === 'value') (node as HTMLInputElement).value = String(value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) node.append(child);
}

/** An HTML element. Attributes that are null, undefined or false are left out; functions are listeners. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {},
                                                          ...children: Child[]): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  fill(node, attributes, children);
  return node;
}

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {},
                                                          ...children: Child[]): SVGElementTagNameMap[K] {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  fill(node, attributes, children);
  return node;
}

/** A button that shows an icon and says `label` to those who do not see it. */
export function icon_button(icon: SVGElement, label: string, onclick: (event: MouseEvent) => void,
                            attributes: Attributes = {}): HTMLButtonElement {
  return el('button', {type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick, ...attributes}, icon);
}

export function text_button(label: string, onclick: (event: MouseEvent) => void, attributes: Attributes = {}): HTMLButtonElement {
  return el('button', {type: 'button', class: 'button', onclick, ...attributes}, label);
}

/** Runs `work` once in the next frame, however often it is asked for until then. */
export function once_a_frame(work: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** Like once_a_frame, but work that takes long is done seldom: in a quarter of the time at most. */
export function paced(work: () => void): () => void {
  let free_at = 0;
  const run = once_a_frame(() => {
    const began = performance.now();
    work();
    const end = performance.now();
    free_at = end + 3 * (end - began);
  });
  let waits = false;
  return () => {
    const wait = free_at - performance.now();
    if (wait < 16) return run();
    if (waits) return;
    waits = true;
    setTimeout(() => {
      waits = false;
      run();
    }, wait);
  };
}

/** Nothing else on the page can be used until the returned function is called; dialogs see to themselves. */
export function make_modal(element: HTMLElement): () => void {
  const others: HTMLElement[] = [];
  for (let at = element; at !== document.body; at = at.parentElement!) {
    for (const other of at.parentElement!.children as HTMLCollectionOf<HTMLElement>) {
      if (other !== at && !other.inert && !(other instanceof HTMLDialogElement)) others.push(other);
    }
  }
  for (const other of others) other.inert = true;
  return () => others.forEach(other => (other.inert = false));
}

/** Lets the user keep `text` as a file. */
export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], {type}));
  el('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Copies, also where the page is not served from a secure origin. False if the browser refuses. */
export async function copy_text(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const held = document.activeElement as HTMLElement | null;
    const area = el('textarea', {class: 'off-screen', value: text});
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    held?.focus();
    return copied;
  }
}
