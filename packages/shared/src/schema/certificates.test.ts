/** Certificates as authorities and people make them: the right key, the wrong one, none at all, and old age. */
import { expect, it } from 'vitest';
import { checkCertificates } from './certificates.ts';
import { CERTIFICATES_END_MS, ONE, TWO } from './testing/certificates.ts';

const DAY_MS = 86_400_000;
const NOW_MS = CERTIFICATES_END_MS - 100 * DAY_MS;

it('accepts a certificate with its key, and a bundle without', () => {
  const bundle = { name: 'ca', certPem: ONE.certPem + TWO.certPem, keyPem: '' };
  expect(checkCertificates([{ name: 'site', ...ONE }, bundle], NOW_MS)).toEqual({ faults: [], warnings: [] });
});

it('finds the key of another certificate, broken PEM and keys that are none', () => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
  const noKey = '-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----';
  const { faults } = checkCertificates(
    [
      { name: 'a', certPem: ONE.certPem, keyPem: TWO.keyPem },
      { name: 'b', certPem: broken, keyPem: '' },
      { name: 'c', certPem: 'text', keyPem: '' },
      { name: 'd', certPem: ONE.certPem, keyPem: noKey },
    ],
    NOW_MS,
  );
  expect(faults.map(({ path }) => path)).toEqual([
    'certificates[0].keyPem',
    'certificates[1].certPem',
    'certificates[2].certPem',
    'certificates[3].keyPem',
  ]);
  expect(JSON.stringify(faults)).not.toContain('hush');
});

it.each([
  [CERTIFICATES_END_MS + DAY_MS, 'expired on'],
  [CERTIFICATES_END_MS - 3 * DAY_MS, 'expires on'],
  [0, 'is not valid before'],
])('at %d: %s', (nowMs, words) => {
  const { faults, warnings } = checkCertificates([{ name: 'a', ...ONE }], nowMs);
  expect(faults).toEqual([]);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.message).toContain(`"CN=one.example" ${words}`);
});
