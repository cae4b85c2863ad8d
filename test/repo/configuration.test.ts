/** The documents of docs/configuration.md are what the schema makes of them: the page cannot fall behind the product. */
import { validateConfig } from '@flotilla/shared/schema';
import type { Config } from '@flotilla/shared/schema';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { read } from './workspace.ts';

const [least, whole, others] = [...read('docs/configuration.md').matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(
  (match): unknown => parse(match[1] ?? ''),
);

function validated(document: unknown): Config {
  const result = validateConfig(document);
  if (!result.ok) throw new Error(JSON.stringify(result.faults, null, 2));
  expect(result.warnings).toEqual([]);
  return result.config;
}

test('the document with every default written out has every field, at its default', () => {
  expect(validated(whole)).toEqual(validated(least));
  expect(whole).toEqual(validated(least));
});

test('what may be set instead of null is accepted', () => {
  const { listeners, pools } = validated(others);
  const [shop] = listeners;
  const [api, second] = pools;
  const [first, last] = shop?.routes ?? [];
  const optional = [shop?.tls, first?.split[0], last?.redirect, api?.affinity, api?.outlier, second?.upstream.tls];
  expect(optional.filter((one) => one === null || one === undefined)).toEqual([]);
});
