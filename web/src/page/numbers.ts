// Numbers as people read them.

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** 30.5 B, 9.4 M, 12.3 k. */
export function short_count(value: number): string {
  const rounded = Number(value.toPrecision(3));  // first, so that 999,999 is 1 M
  for (const [size, unit] of [[1e12, ' T'], [1e9, ' B'], [1e6, ' M'], [1e3, ' k']] as const) {
    if (rounded >= size) return `${Number((rounded / size).toPrecision(3))}${unit}`;
  }
  return String(Math.round(value));
}

export function byte_count(value: number): string {
  for (const [size, unit] of [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const) {
    if (value >= size) return `${(value / size).toFixed(1)} ${unit}`;
  }
  return `${value} B`;
}

/** 0.42 ms, 63 ms, 1.3 s, 2 min 5 s. */
export function duration(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(ms < 0.995 ? 2 : 1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export function rate(value: number): string {
  return value >= 100 || value === 0 ? count(value) : value.toFixed(1);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function percent(fraction: number): string {
  const value = fraction * 100;
  if (value > 0 && value < 0.01) return '< 0.01 %';
  return `${value >= 10 ? value.toFixed(1) : value.toFixed(2)} %`;
}
