/**
 * Reads the samples of a Prometheus exposition, as far as our own /metrics goes.
 */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function parseSamples(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (match === null) return [];
    const labels: Record<string, string> = {};
    for (const [, key = '', value = ''] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value;
    return [{ name: match[1] ?? '', labels, value: Number(match[3]) }];
  });
}

/** Sums of a metric by `pool/backend`. */
export function sumOf(
  samples: readonly Sample[],
  name: string,
  counts: (labels: Sample['labels']) => boolean,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name: own, labels, value } of samples) {
    if (own !== name || !counts(labels)) continue;
    const key = `${labels.pool}/${labels.backend}`;
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}
