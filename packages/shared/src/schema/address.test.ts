/** Addresses as text: table of what is one and what is not. */
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCidr, isIpv6, parseAddress } from './address.ts';

describe('parseAddress', () => {
  it.each([
    ['10.0.0.1:80', '10.0.0.1', 80],
    ['localhost:1', 'localhost', 1],
    ['app-1.internal.:65535', 'app-1.internal.', 65_535],
    ['my_service:3000', 'my_service', 3_000],
    ['[::1]:80', '::1', 80],
    ['[fd00::1:2.3.4.5]:80', 'fd00::1:2.3.4.5', 80],
  ])('%s', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
  });

  it.each([
    '',
    '80',
    ':80',
    'a:',
    'a:0',
    'a:65536',
    'a:080000',
    'a:80 ',
    ' a:80',
    'a b:80',
    '256.0.0.1:80',
    '1.2.3:80',
    '01.2.3.4:80',
    '::1:80',
    '[::1]',
    '[]:80',
    '[::g]:80',
    '[1.2.3.4]:80',
    '[fe80::1%eth0]:80',
    '-a:80',
    'a-:80',
    'a..b:80',
    'http://a:80',
    `${'a'.repeat(64)}:80`,
  ])('not %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });
});

it('agrees with the platform on IPv6', () => {
  const group = fc.constantFrom('0', 'fff', 'FFFF', '12345', 'g', '');
  const text = fc.oneof(
    fc.ipV6(),
    fc.array(fc.oneof(group, fc.constant('1.2.3.4')), { maxLength: 9 }).map((parts) => parts.join(':')),
  );
  fc.assert(
    fc.property(text, (one) => {
      expect(isIpv6(one)).toBe(isIPv6(one));
    }),
    { numRuns: 2_000 },
  );
});

it.each([
  ['10.0.0.0/8', true],
  ['10.0.0.1', true],
  ['::/0', true],
  ['fd00::/128', true],
  ['10.0.0.0/33', false],
  ['fd00::/129', false],
  ['10.0.0.0/', false],
  ['10.0.0.0/08', false],
  ['host/8', false],
])('network %s: %s', (text, expected) => {
  expect(isCidr(text)).toBe(expected);
});
