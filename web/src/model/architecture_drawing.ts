// The architecture as a drawing: what a token goes through, bottom to top, with one layer opened beside the stack.
import {svg} from '../page/dom';
import {count, short_count} from '../page/numbers';
import type {Architecture} from './inspection';

const kWidth = 640, kStackLeft = 6, kStackWidth = 150, kLayerLeft = 212, kLayerWidth = 422;
const kMostSlices = 24;
const kMostExperts = 256;

function box(x: number, y: number, width: number, height: number, kind: string): SVGElement {
  return svg('rect', {x, y, width, height, rx: 8, class: `box ${kind}`});
}

function text(x: number, y: number, value: string, kind = '', anchor = 'middle'): SVGElement {
  return svg('text', {x, y, class: kind, 'text-anchor': anchor}, value);
}

function arrow(x: number, from: number, to: number): SVGElement {
  return svg('path', {class: 'arrow', d: `M${x} ${from}V${to + 5}M${x - 4} ${to + 9}l4-5 4 5`});
}

/** A box with a name and a size in it. */
function part(x: number, y: number, width: number, name: string, size: string, kind = ''): SVGElement[] {
  return [box(x, y, width, 46, kind), text(x + width / 2, y + 20, name, 'name'), text(x + width / 2, y + 36, size, 'size')];
}

function stack(shape: Architecture, top: number, height: number): SVGElement[] {
  const slices = Math.min(shape.layers, kMostSlices);
  const pitch = height / slices;
  const out: SVGElement[] = [];
  for (let i = 0; i < slices; ++i) {
    const is_open = i === Math.floor(slices / 2);
    out.push(svg('rect', {x: kStackLeft, y: top + i * pitch, width: kStackWidth, height: Math.max(2, pitch - 4), rx: Math.min(5, pitch / 3),
                          class: is_open ? 'slice open' : 'slice'}));
  }
  const y = top + (Math.floor(slices / 2) + 0.5) * pitch - 2;
  const right = kStackLeft + kStackWidth;
  out.push(svg('path', {class: 'opening', d: `M${right} ${y - pitch / 2 + 2}L${kLayerLeft} ${top - 14}V${top + height + 14}L${right} ${y + pitch / 2 - 2}z`}));
  return out;
}

/** Query heads in groups over the key-value head that they share. */
function heads(shape: Architecture, x: number, y: number, width: number): SVGElement[] {
  const groups = Math.max(1, shape.kv_heads);
  const per_group = Math.max(1, Math.round(shape.heads / groups));
  const pitch = width / groups;
  const out: SVGElement[] = [];
  for (let group = 0; group < groups; ++group) {
    const left = x + group * pitch;
    const small = (pitch - 4) / per_group;
    for (let head = 0; head < per_group; ++head) {
      out.push(svg('rect', {x: left + head * small, y, width: Math.max(1, small - 2), height: 12, rx: 2, class: 'head-q'}));
    }
    out.push(svg('rect', {x: left, y: y + 15, width: Math.max(1, pitch - 6), height: 8, rx: 2, class: 'head-kv'}));
  }
  return out;
}

/** Columns that fill whole rows where that is possible, near the shape of the room. */
function columns_of(amount: number, wanted: number): number {
  for (const columns of [wanted, wanted + 1, wanted - 1, wanted + 2, wanted - 2]) if (columns > 0 && amount % columns === 0) return columns;
  return wanted;
}

/** The experts, as many lit as a token takes; which ones is the router's choice, here an example. */
function experts(shape: Architecture, x: number, y: number, width: number, height: number): SVGElement[] {
  const amount = Math.min(shape.experts, kMostExperts);
  const columns = columns_of(amount, Math.ceil(Math.sqrt(amount * width / height)));
  const rows = Math.ceil(amount / columns);
  const pitch = Math.min(width / columns, height / rows, 44);
  const left = x + (width - columns * pitch + 3) / 2;
  const top = y + (height - rows * pitch) / 2;
  const lit = new Set(Array.from({length: shape.experts_per_token}, (_, i) => (i * 7 + 2) * 11 % amount));
  for (let next = 0; lit.size < Math.min(amount, shape.experts_per_token); ++next) lit.add(next);
  return Array.from({length: amount}, (_, i) => svg('rect', {
    x: left + i % columns * pitch, y: top + Math.floor(i / columns) * pitch, width: pitch - 3, height: pitch - 3,
    rx: Math.min(4, pitch / 5), class: lit.has(i) ? 'expert lit' : 'expert',
  }));
}

function open_layer(shape: Architecture, top: number, height: number): SVGElement[] {
  const x = kLayerLeft, inner = kLayerLeft + 28, width = kLayerWidth - 56, middle = x + kLayerWidth / 2;
  const is_sparse = shape.experts > 0;
  const feed_top = top + 30, feed_height = height - 190;
  const attention_top = top + height - 128;
  const out = [box(x, top - 14, kLayerWidth, height + 28, 'layer'),
               text(x + 16, top + 6, `One of ${shape.layers} layers`, 'title', 'start')];
  out.push(box(inner, feed_top, width, feed_height, 'inner'));
  if (is_sparse) {
    out.push(text(inner + 14, feed_top + 22, 'Experts', 'name', 'start'),
             text(inner + width - 14, feed_top + 22, `${shape.experts}, ${shape.experts_per_token} a token`, 'size', 'end'),
             ...experts(shape, inner + 14, feed_top + 36, width - 28, feed_height - 92),
             box(middle - 90, feed_top + feed_height - 44, 180, 30, 'router'), text(middle, feed_top + feed_height - 25, 'Router', 'name'));
  } else {
    out.push(text(middle, feed_top + feed_height / 2, 'Feed-forward', 'name'),
             text(middle, feed_top + feed_height / 2 + 18, 'gate, up, down', 'size'));
  }
  out.push(arrow(middle, attention_top, feed_top + feed_height));
  out.push(box(inner, attention_top, width, 104, 'inner'), text(inner + 14, attention_top + 24, 'Attention', 'name', 'start'),
           text(inner + width - 14, attention_top + 24, `${shape.heads} heads of ${shape.head_dim}, ${shape.kv_heads} key-value`, 'size', 'end'),
           ...heads(shape, inner + 14, attention_top + 42, width - 28),
           text(inner + 14, attention_top + 90, 'Queries above the keys and values that they share', 'size', 'start'));
  return out;
}

export function architecture_drawing(shape: Architecture): SVGSVGElement {
  const stack_top = 130, stack_height = shape.experts ? 440 : 340;
  const bottom = stack_top + stack_height;
  const center = kStackLeft + kStackWidth / 2;
  const height = bottom + 150;
  const described = `${shape.layers} layers of width ${shape.hidden}` + (shape.experts ? `, ${shape.experts} experts in each` : '');
  return svg('svg', {viewBox: `0 0 ${kWidth} ${height}`, class: 'architecture', role: 'img', 'aria-label': `The architecture: ${described}`},
    text(center, 16, 'next token', 'size'), arrow(center, 44, 18),
    ...part(kStackLeft, 46, kStackWidth, 'Head', `${count(shape.hidden)} to ${count(shape.vocabulary)}`, 'ends'),
    arrow(center, stack_top - 6, 94), ...stack(shape, stack_top, stack_height),
    ...open_layer(shape, stack_top, stack_height),
    arrow(center, bottom + 40, bottom),
    ...part(kStackLeft, bottom + 42, kStackWidth, 'Embedding', `${short_count(shape.vocabulary)} tokens of ${count(shape.hidden)}`, 'ends'),
    arrow(center, bottom + 118, bottom + 90), text(center, bottom + 136, 'token', 'size'));
}
