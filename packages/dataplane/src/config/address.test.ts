/** One form for each address, whoever reports it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressText, canonicalAddress, clientNetwork } from './address.ts';
import { addressBytes } from './cidr.ts';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::1', '::1'],
  ['::', '::'],
  ['not:an:address', 'not:an:address'],
  ['', ''],
])('%j is %j', (given, expected) => {
  expect(canonicalAddress(given)).toBe(expected);
});

test('every spelling of the same bytes is the same text', () => {
  fc.assert(
    fc.property(fc.ipV6(), (ip) => {
      const text = canonicalAddress(ip);
      expect(canonicalAddress(text)).toBe(text);
      expect(addressBytes(text)).toEqual(addressBytes(ip));
      expect(text).toBe(addressText(addressBytes(ip) ?? new Uint8Array()));
    }),
  );
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['::1', '0:0:0:0::/64'],
])('%j counts as %j', (ip, network) => {
  expect(clientNetwork(ip)).toBe(network);
});
