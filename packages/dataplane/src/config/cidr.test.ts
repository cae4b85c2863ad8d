/** Networks of both families, mapped addresses, and what is no address. */
import { expect, test } from 'vitest';
import { CidrSet } from './cidr.ts';

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['10.0.0.0/9', '10.127.0.1', true],
  ['10.0.0.0/9', '10.128.0.1', false],
  ['10.0.0.0/8', '::ffff:10.1.1.1', true],
  ['::ffff:10.0.0.0/104', '10.1.1.1', true],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['0.0.0.0/0', '203.0.113.9', true],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/33', '2001:db8:8000::1', false],
  ['::1', '::1', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['10.0.0.0/8', 'not an address', false],
  ['10.0.0.0/33', '10.0.0.1', false],
  ['nonsense', '10.0.0.1', false],
])('%s has %s: %s', (cidr, ip, expected) => {
  expect(new CidrSet([cidr]).has(ip)).toBe(expected);
});

test('no networks, no members; all networks, all members', () => {
  expect(new CidrSet([]).has('10.0.0.1')).toBe(false);
  expect(new CidrSet(['0.0.0.0/0', '::/0']).has('2001:db8::1')).toBe(true);
});
