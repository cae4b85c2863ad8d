/** Backups: everything comes back, secrets only where asked for, and a file that was changed is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Backup, captureBackup, restoreBackup } from './backup.ts';
import { checkState } from './check-state.ts';
import { stateDigest } from './state.ts';
import { pinsPut, step, WORLD } from './testing/arbitrary.ts';
import { sampleDocument, TestLog } from './testing/log.ts';

const pem = (kind: string, text: string) => `-----BEGIN ${kind}-----\n${text}\n-----END ${kind}-----`;
const KEY = pem('PRIVATE KEY', 'QUFB');
const FORMER_KEY = pem('PRIVATE KEY', 'QkJC');

/** The file as the API writes it. */
function file(log: TestLog, secrets: boolean): string {
  const parts = captureBackup(log.state, secrets);
  return [...parts].map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString('base64'))).join('');
}

function restored(text: string) {
  const backup = JSON.parse(text) as Backup;
  return restoreBackup(
    backup,
    backup.pins.map((records) => Buffer.from(records, 'base64')),
  );
}

function world(): TestLog {
  const log = new TestLog();
  log.join('n1', 'n2', 'n3');
  log.run({ type: 'cluster.init', affinityKey: 'signs affinity cookies' });
  const affinity = { type: 'source-ip', ttlMs: 60_000 };
  for (const keyPem of [FORMER_KEY, KEY]) {
    const certificates = [{ name: 'site', certPem: pem('CERTIFICATE', 'AA=='), keyPem }];
    log.run({ type: 'config.replace', document: { ...sampleDocument(3, { affinity }), certificates } });
  }
  log.run(pinsPut(Array.from({ length: 20 }, (_, at) => ['api', at, at % 3] as const)));
  log.run({ type: 'backend.set', pool: 'api', id: 'b2', weight: 7, author: 'alice' });
  return log;
}

describe('a backup with secrets', () => {
  it('is the state, digest and all', () => {
    const log = world();
    const again = restored(file(log, true));
    expect(stateDigest(again)).toBe(log.machine.digest());
    expect(checkState(again)).toEqual([]);
    expect([again.meta, again.pins.size, again.history.size]).toEqual([log.state.meta, 20, 3]);
    expect(again.certificates.get('site')?.keyPem).toBe(KEY);
  });

  it('is of the moment when it was begun, whatever is written while it is read', () => {
    const log = world();
    const { digest } = JSON.parse(file(log, true)) as Backup;
    const texts: string[] = [];
    for (const part of captureBackup(log.state, true)) {
      texts.push(typeof part === 'string' ? part : Buffer.from(part).toString('base64'));
      log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight: texts.length });
      log.run({ type: 'pins.delete', pool: 'api', session: `client-${texts.length}` });
    }
    expect(stateDigest(restored(texts.join('')))).toBe(digest);
  });

  it('comes back from any state', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const log = new TestLog();
        for (const command of WORLD) log.run(command);
        for (const { command, waitMs } of steps) {
          log.pass(waitMs);
          log.run(command);
        }
        const again = restored(file(log, true));
        expect([stateDigest(again), checkState(again)]).toEqual([log.machine.digest(), []]);
      }),
      { numRuns: 12 },
    );
  });
});

describe('a backup without them', () => {
  it('has no key, former ones included, says how many are missing, and has a digest of its own', () => {
    const log = world();
    const text = file(log, false);
    for (const secret of ['QUFB', 'QkJC', 'signs affinity cookies']) expect(text).not.toContain(secret);
    expect((JSON.parse(text) as Backup).keysLeftOut).toBe(1);
    const again = restored(text);
    expect([again.meta.affinityKey, again.certificates.get('site')?.keyPem]).toEqual(['', '']);
    expect(again.history.size).toBe(3);
  });
});

it('a file that was changed anywhere is refused', () => {
  const backup = JSON.parse(file(world(), true)) as Backup;
  const { meta, tables, pins } = backup;
  const changed: readonly Partial<Backup>[] = [
    { meta: { ...meta, revision: meta.revision + 1 } },
    { tables: { ...tables, audit: tables.audit?.slice(1) ?? [] } },
    { pins: pins.slice(1) },
    { tables: { ...tables, unheard: [] } as Backup['tables'] },
  ];
  for (const change of changed) expect(() => restored(JSON.stringify({ ...backup, ...change }))).toThrow(/^it/);
});
