/** Dry runs and diffs: what would change, in names, and what it touches. Nothing is changed by asking. */
import { expect, it } from 'vitest';
import { diffOfRevision, previewConfigCommand, readConfig } from './index.ts';
import { sampleDocument, TestLog } from './testing/log.ts';

function seeded(): TestLog {
  const log = new TestLog();
  log.run({ type: 'config.replace', document: sampleDocument(2) });
  return log;
}

it('shows what a document would change, by name, and whom it touches', () => {
  const log = seeded();
  const digest = log.machine.digest();
  const document = {
    listeners: [
      { name: 'web', port: 9090, protocol: 'http', routes: [{ pool: 'api' }] },
      { name: 'tcp', port: 5432, protocol: 'tcp', routes: [{ pool: 'db' }] },
    ],
    pools: [
      {
        name: 'api',
        slowStartMs: 5,
        backends: [
          { id: 'b1', address: '10.0.0.1:80', weight: 50 },
          { id: 'b3', address: '10.0.0.3:80' },
        ],
      },
      { name: 'db' },
    ],
  };
  const preview = previewConfigCommand(log.state, { v: 1, type: 'config.replace', document });
  expect(preview).toMatchObject({
    ok: true,
    changed: true,
    diff: {
      changes: expect.any(Array),
      impact: {
        listenersOpened: ['tcp'],
        listenersClosed: [],
        listenersRebound: ['web'],
        listenersChanged: [],
        poolsChanged: ['api'],
        backendsAdded: ['api/b3'],
        backendsRemoved: ['api/b2'],
        keysMoved: [],
      },
    },
    warnings: [{ path: 'pools[1].backends' }],
  });
  const changes = preview.ok ? preview.diff.changes : [];
  const words = changes.map(({ path, kind, before, after }) =>
    typeof after === 'number' ? `${path} ${kind} ${String(before)} → ${after}` : `${path} ${kind}`,
  );
  expect(words.sort((a, b) => a.localeCompare(b, 'en'))).toEqual([
    'listeners.tcp added',
    'listeners.web.port changed 8080 → 9090',
    'pools.api.backends.b1.weight changed 100 → 50',
    'pools.api.backends.b2 removed',
    'pools.api.backends.b3 added',
    'pools.api.slowStartMs changed 0 → 5',
    'pools.db added',
  ]);
  expect(log.machine.digest()).toBe(digest);
});

it('says what is wrong as the command itself would', () => {
  const log = seeded();
  const command = { v: 1, type: 'resource.delete', kind: 'pool', name: 'api' } as const;
  expect(previewConfigCommand(log.state, command)).toMatchObject({ ok: false, code: 'CONFLICT' });
  const stale = { v: 1, type: 'config.replace', document: {}, ifMatch: 7 } as const;
  expect(previewConfigCommand(log.state, stale)).toMatchObject({ ok: false, code: 'REVISION_MISMATCH' });
});

it('gives the document that the command then makes', () => {
  const log = seeded();
  const command = { type: 'resource.patch', kind: 'pool', name: 'api', patch: { algorithm: 'p2c' } } as const;
  const preview = previewConfigCommand(log.state, { v: 1, ...command });
  log.run(command);
  expect(preview).toMatchObject({ ok: true, after: readConfig(log.state) });
});

it('shows what a revision changed, and no private key', () => {
  const log = seeded();
  const pem = (kind: string, text: string) => `-----BEGIN ${kind}-----\n${text}\n-----END ${kind}-----`;
  for (const text of ['hush', 'hush hush']) {
    const value = { certPem: pem('CERTIFICATE', 'AA=='), keyPem: pem('PRIVATE KEY', text) };
    log.run({ type: 'resource.put', kind: 'certificate', name: 'site', value });
    expect(JSON.stringify(diffOfRevision(log.state, log.state.meta.revision))).not.toContain('hush');
  }
  expect(diffOfRevision(log.state, 3)?.changes).toEqual([{ path: 'certificates.site.keyPem', kind: 'changed' }]);
  log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight: 1 });
  expect(diffOfRevision(log.state, 4)?.changes).toEqual([
    { path: 'pools.api.backends.b1.weight', kind: 'changed', before: 100, after: 1 },
  ]);
  expect(diffOfRevision(log.state, 99)).toBeUndefined();
});
