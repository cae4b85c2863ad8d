/** Encryption at rest: round trips, the same result each time, rotation, and everything that must not open. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Draft } from '../cluster/host.ts';
import { CertificateOpener } from './certificate-opener.ts';
import { Keyring, sealedWith } from './keyring.ts';
import { sealDraft } from './seal-draft.ts';

const [OLD, NEW] = ['11'.repeat(32), '22'.repeat(32)];
const PEM = '-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n';

const ring = (keys: readonly string[], clusterSecret = '') => new Keyring({ keys, clusterSecret, clusterName: 'test' });

describe('keyring', () => {
  it('gives back what it was given, under the same name only, and always writes the same', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 500 }),
        fc.stringMatching(/^[a-z0-9]{1,20}$/),
        (text, name) => {
          const sealed = ring([NEW]).seal(name, text);
          expect(ring([NEW]).seal(name, text)).toBe(sealed);
          expect(ring([NEW]).open(name, sealed)).toEqual({ ok: true, text });
          expect(ring([NEW]).open(`${name}x`, sealed).ok).toBe(false);
        },
      ),
    );
  });

  it('hides the text and says which key it needs', () => {
    const sealed = ring([NEW]).seal('site', PEM);
    expect(sealed).not.toContain('hush');
    expect(Buffer.from(sealed.split('\n').slice(3, -2).join(''), 'base64').toString('latin1')).not.toContain('hush');
    expect(sealedWith(sealed)).toBe(ring([NEW]).currentId);
    expect(sealedWith(PEM)).toBeNull();
  });

  it('reads what older keys wrote, and writes with the newest', () => {
    const before = ring([OLD]).seal('site', PEM);
    const rotated = ring([NEW, OLD]);
    expect(rotated.open('site', before)).toEqual({ ok: true, text: PEM });
    expect(sealedWith(rotated.seal('site', PEM))).toBe(ring([NEW]).currentId);
    const refused = ring([NEW]).open('site', before);
    expect(refused).toMatchObject({ ok: false, reason: expect.stringContaining(`key ${ring([OLD]).currentId}`) });
  });

  it('derives a key from the secret of the cluster, and still reads it beside a key of its own', () => {
    const sealed = ring([], 'between us').seal('site', PEM);
    expect(ring([NEW], 'between us').open('site', sealed)).toEqual({ ok: true, text: PEM });
    expect(ring([NEW], 'between them').open('site', sealed).ok).toBe(false);
  });

  it('opens nothing that was changed', () => {
    const sealed = ring([NEW]).seal('site', PEM);
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.stringMatching(/^[A-Za-z0-9]$/), (at, char) => {
        fc.pre(sealed[at] !== char && sealed[at] !== '\n');
        const opened = ring([NEW]).open('site', sealed.slice(0, at) + char + sealed.slice(at + 1));
        // One whose first line was changed is no encrypted text any more, and stays what it is.
        expect(opened.ok ? opened.text.includes('hush') : false).toBe(false);
      }),
    );
  });

  it('keeps nothing in the clear but what was given so, where there is no key', () => {
    expect(ring([]).currentId).toBeNull();
    expect(ring([]).seal('site', PEM)).toBe(PEM);
  });
});

describe('a change with private keys', () => {
  const put: Draft = { type: 'resource.put', kind: 'certificate', name: 'site', value: { certPem: 'c', keyPem: PEM } };
  const patch: Draft = { type: 'resource.patch', kind: 'certificate', name: 'site', patch: { keyPem: PEM } };
  const replace: Draft = {
    type: 'config.replace',
    document: {
      certificates: [
        { name: 'ca', certPem: 'c' },
        { name: 'site', keyPem: PEM },
        { name: 'kept', keyPem: '(kept)' },
        null,
      ],
    },
  };

  it('leaves with all of them encrypted and nothing else changed', () => {
    for (const draft of [put, replace, patch]) {
      const sealed = sealDraft({ keyring: ring([NEW]), required: true }, draft);
      expect(JSON.stringify(sealed)).not.toContain('hush');
      expect(
        JSON.stringify(sealed).replace(
          /-----BEGIN SEALED.*?END SEALED PRIVATE KEY-----\\n/,
          PEM.replaceAll('\n', '\\n'),
        ),
      ).toBe(JSON.stringify(sealDraft({ keyring: ring([]), required: false }, draft)));
    }
  });

  it('is refused where a key would be stored in the clear without being asked to', () => {
    expect(() => sealDraft({ keyring: ring([]), required: true }, put)).toThrow('a private key cannot be kept');
    expect(sealDraft({ keyring: ring([]), required: false }, put)).toEqual(put);
  });

  it('takes what a backup holds, under the newest key, and refuses what it cannot read', () => {
    const backup = { ...put, value: { certPem: 'c', keyPem: ring([OLD]).seal('site', PEM) } } as Draft;
    expect(sealDraft({ keyring: ring([NEW, OLD]), required: true }, backup)).toEqual(
      sealDraft({ keyring: ring([NEW]), required: true }, put),
    );
    expect(() => sealDraft({ keyring: ring([NEW]), required: true }, backup)).toThrow('a private key cannot be kept');
  });
});

describe('certificates for the proxy threads', () => {
  it('have their keys; one that cannot be decrypted is left out and named, once', () => {
    const faults: string[] = [];
    const opener = new CertificateOpener(ring([NEW]), (fault) => faults.push(fault));
    const certificates = [
      { name: 'ca', certPem: 'c', keyPem: '' },
      { name: 'site', certPem: 'c', keyPem: ring([NEW]).seal('site', PEM) },
      { name: 'old', certPem: 'c', keyPem: ring([OLD]).seal('old', PEM) },
    ];
    for (let round = 0; round < 2; round += 1) {
      expect(opener.open(certificates).map(({ name, keyPem }) => [name, keyPem])).toEqual([
        ['ca', ''],
        ['site', PEM],
      ]);
    }
    expect(faults).toEqual(opener.faults);
    expect(faults.join()).toContain('certificate old is not served');
    opener.open(certificates.slice(0, 2));
    expect(opener.faults).toEqual([]);
  });
});
