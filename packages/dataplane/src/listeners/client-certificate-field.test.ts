/** The field of a verified client, and that no subject breaks out of it. */
import { expect, test } from 'vitest';
import { clientCertificateField } from './client-certificate-field.ts';

const identity = { serverName: '', alpn: '', protocol: '', cipher: '', clientSubject: '', clientFingerprint: '' };

test('nobody, nothing', () => {
  expect(clientCertificateField(null)).toBe('');
  expect(clientCertificateField(identity)).toBe('');
});

test.each([
  ['CN=alice\nO=Example', 'CN=alice,O=Example'],
  ['CN=a"b\\c', 'CN=a\\"b\\\\c'],
  ['CN=a\rX-Evil: 1', 'CN=a\\u{d}X-Evil: 1'],
  ['CN=grün', 'CN=gr\\u{fc}n'],
])('%j', (clientSubject, expected) => {
  const line = clientCertificateField({ ...identity, clientSubject, clientFingerprint: 'ab12' });
  expect(line).toBe(`X-Forwarded-Client-Cert: Hash=ab12;Subject="${expected}"\r\n`);
});
