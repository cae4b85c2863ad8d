/** The signed cookie: what comes back, and that nothing else does. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CookieReader, decodeCookie, encodeCookie } from './cookie.ts';

const scope = { key: 'secret', pool: 'app' };
const content = { backendId: 'b1', expiresMs: 1_700_000_000_000 };

test('is read back by whoever has the key', () => {
  expect(decodeCookie(scope, encodeCookie(scope, content))).toEqual(content);
});

test('of another key, another pool or another hand is none', () => {
  const value = encodeCookie(scope, content);
  expect(decodeCookie({ ...scope, key: 'other' }, value)).toBeNull();
  expect(decodeCookie({ ...scope, pool: 'other' }, value)).toBeNull();
  expect(decodeCookie(scope, value.replace('b1', 'b2'))).toBeNull();
  expect(decodeCookie(scope, `${value}.x`)).toBeNull();
  for (const nonsense of ['', '.', 'b1', 'b1..', 'b1.zz.', `${value}=`])
    expect(decodeCookie(scope, nonsense)).toBeNull();
});

test('with any other character it is none', () => {
  const value = encodeCookie(scope, content);
  fc.assert(
    fc.property(
      fc.nat(value.length - 1),
      fc.constantFrom('a', 'b', 'X', 'Z', '0', '9', '-', '_', '.'),
      (at, character) => {
        fc.pre(value[at] !== character);
        expect(decodeCookie(scope, value.slice(0, at) + character + value.slice(at + 1))).toBeNull();
      },
    ),
  );
});

test('the reader remembers nothing across a change of the key', () => {
  const reader = new CookieReader();
  const value = encodeCookie(scope, content);
  expect(reader.read(scope, value)).toEqual(content);
  expect(reader.read(scope, value)).toEqual(content);
  expect(reader.read({ ...scope, key: 'new' }, value)).toBeNull();
  expect(reader.read({ ...scope, pool: 'other' }, value)).toBeNull();
});
