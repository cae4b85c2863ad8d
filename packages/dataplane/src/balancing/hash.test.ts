/** The hash against frozen answers, and the keys that requests give to it. */
import { describe, expect, test } from 'vitest';
import { combine32, hash32 } from './hash.ts';
import { cookieValue, hashKey } from './hash-key.ts';

describe('hash32', () => {
  test('never changes: these answers are part of the contract between nodes', () => {
    expect(['', 'a', 'ab', 'abc', '10.0.0.1', 'grüße'].map((text) => hash32(text, 1))).toMatchInlineSnapshot(`
      [
        1364076727,
        3484942910,
        4132460154,
        2934356416,
        3648581990,
        1716251088,
      ]
    `);
    expect([combine32(1, 2), combine32(2, 1), combine32(0, 0)]).toMatchInlineSnapshot(`
      [
        1712224151,
        2460937565,
        4279838538,
      ]
    `);
  });

  test('spreads similar keys evenly', () => {
    const buckets = Array.from({ length: 16 }, () => 0);
    for (let host = 0; host < 16_000; host++) {
      const bucket = hash32(`10.0.${host >> 8}.${host & 255}`, 3) & 15;
      buckets[bucket] = buckets[bucket]! + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});

describe('hashKey', () => {
  const request = {
    clientIp: '10.0.0.1',
    path: '/cart',
    query: 'user=7&lang=en',
    header: (name: string) => ({ cookie: 'a=1; session=x y; b=2', 'x-tenant': 'acme' })[name],
  };

  test.each([
    [{ on: 'source-ip' } as const, '10.0.0.1'],
    [{ on: 'path' } as const, '/cart'],
    [{ on: 'header', name: 'X-Tenant' } as const, 'acme'],
    [{ on: 'cookie', name: 'session' } as const, 'x y'],
    [{ on: 'query', name: 'lang' } as const, 'en'],
    [{ on: 'query', name: 'missing' } as const, '10.0.0.1'],
    [{ on: 'cookie', name: 'ession' } as const, '10.0.0.1'],
    [{ on: 'header', name: 'x-other' } as const, '10.0.0.1'],
  ])('%o', (source, key) => {
    expect(hashKey(source, request)).toBe(key);
  });

  test('a cookie is found at the end, without a space, and empty', () => {
    expect(cookieValue('a=1;b=2', 'b')).toBe('2');
    expect(cookieValue('b=', 'b')).toBe('');
    expect(cookieValue('bb=1', 'b')).toBeNull();
    expect(cookieValue(undefined, 'b')).toBeNull();
  });
});
