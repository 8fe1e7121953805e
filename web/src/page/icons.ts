// Line icons on a grid of 20, in the colour of the text around them, and the mark.
import {svg} from './dom';

const kPaths = {
  chat: 'M4 4.5h12v9H9l-3.5 3v-3H4z',
  engine: 'M3 15.5V12h3V8.5h4V12h3V5h4v10.5z',
  model: 'M10 3 3.5 6.5 10 10l6.5-3.5zM3.5 10 10 13.5l6.5-3.5M3.5 13.5 10 17l6.5-3.5',
  plus: 'M10 4v12M4 10h12',
  search: 'M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM12.7 12.7 17 17',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  close: 'M5 5l10 10M15 5 5 15',
  settings: 'M3.5 6.5h7M14.5 6.5h2M12.5 4.5v4M3.5 13.5h2M9.5 13.5h7M7.5 11.5v4',
  send: 'M10 16V4.5M5 9l5-5 5 5',
  stop: 'M6 6h8v8H6z',
  copy: 'M7.5 7.5h8v9h-8zM5 12.5H4.5v-9h8v.5',
  check: 'M4.5 10.5 8.5 14.5 15.5 6',
  edit: 'M4 16l.8-3.4L13.2 4.2l2.6 2.6-8.4 8.4zM11.5 6l2.6 2.6',
  again: 'M15.5 8A6 6 0 1 0 16 10.5M16 4v4h-4',
  tokens: 'M3.5 6h4v3h-4zM9.5 6h7v3h-7zM3.5 11.5h7v3h-7zM12.5 11.5h4v3h-4z',
  left: 'M12 5l-5 5 5 5',
  right: 'M8 5l5 5-5 5',
  down: 'M5 8l5 5 5-5',
  trash: 'M4.5 6h11M8 6V4h4v2M6 6l.6 10h6.8L14 6M8.5 9v4.5M11.5 9v4.5',
  save: 'M10 3.5v9M6 9l4 4 4-4M4 16.5h12',
  sun: 'M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM10 2.5v2M10 15.5v2M2.5 10h2M15.5 10h2M4.7 4.7l1.4 1.4M13.9 13.9l1.4 1.4M4.7 15.3l1.4-1.4M13.9 6.1l1.4-1.4',
  moon: 'M16 12.2A6.5 6.5 0 0 1 7.8 4a6.5 6.5 0 1 0 8.2 8.2z',
  system: 'M3.5 4.5h13v9h-13zM7.5 16.5h5M10 13.5v3',
  help: 'M7.5 7.7a2.5 2.5 0 1 1 3.6 2.2c-.7.4-1.1.8-1.1 1.6M10 14.2v.3M10 2.8a7.2 7.2 0 1 0 0 14.4 7.2 7.2 0 0 0 0-14.4z',
  pause: 'M7 5v10M13 5v10',
  play: 'M6.5 4.5 15 10l-8.5 5.5z',
  tool: 'M12.6 3.6a4 4 0 0 0-4.4 5.6L3.5 14l2.5 2.5 4.8-4.7a4 4 0 0 0 5.6-4.4L13.8 10 11 9.2 10.2 6.4z',
  warning: 'M10 3.5 17.5 16.5h-15zM10 8.5v3.8M10 14.3v.2',
};

export type IconName = keyof typeof kPaths;

export function icon(name: IconName): SVGSVGElement {
  return svg('svg', {viewBox: '0 0 20 20', class: 'icon', 'aria-hidden': 'true'}, svg('path', {d: kPaths[name]}));
}

/** The mark: an h whose arm is ground to an edge. The same as mark.svg, in the page's accent. */
export function mark(): SVGSVGElement {
  return svg('svg', {viewBox: '0 0 32 32', class: 'mark', 'aria-hidden': 'true'},
             svg('rect', {width: 32, height: 32, rx: 8, class: 'mark-ground'}),
             svg('path', {class: 'mark-letter', d: 'M8.5 6h4.6v20H8.5zM15.1 14.2 23.5 12v14h-4.6v-8.6l-3.8 1z'}));
}
