/** Commands on the configuration: what each does, what each refuses, what can be read back and rolled back. */
import { describe, expect, it } from 'vitest';
import { ClusterStateMachine } from '../state-machine.ts';
import { encodeCommand, readConfig, readConfigAt, readHistory, redactConfig } from './index.ts';
import { sampleDocument, TestLog } from './testing/log.ts';

const by = { author: 'alice', source: '192.0.2.1' };

function seeded(backends = 3): TestLog {
  const log = new TestLog();
  expect(log.run({ type: 'config.replace', document: sampleDocument(backends), ...by })).toMatchObject({ ok: true });
  return log;
}

describe('config.replace', () => {
  it('takes a whole document, fills defaults in, and makes the index its revision', () => {
    const log = new TestLog();
    log.run({ type: 'tick' });
    const result = log.run({ type: 'config.replace', document: sampleDocument(2), ...by });
    expect(result).toMatchObject({ ok: true, index: 2, revision: 2, changed: true });
    expect(log.state.meta.revision).toBe(2);
    expect(readConfig(log.state)).toMatchObject({
      listeners: [{ name: 'web', tls: null }],
      pools: [{ name: 'api', backends: [{ id: 'b1', weight: 100 }, { id: 'b2' }] }],
    });
    expect(log.applied.at(-1)?.changes).toMatchObject({ revision: true, config: true });
  });

  it('refuses a bad one with every fault and changes nothing', () => {
    const log = seeded();
    const before = log.machine.digest();
    const bad = { listeners: [{ name: 'web', port: 0, protocol: 'http', routes: [{ pool: 'none' }] }] };
    const result = log.run({ type: 'config.replace', document: bad });
    expect(result).toMatchObject({
      ok: false,
      code: 'INVALID_CONFIG',
      revision: 1,
      details: [{ path: 'listeners[0].port' }, { path: 'listeners[0].routes[0].pool' }],
    });
    expect(readConfig(log.state).listeners[0]?.port).toBe(8080);
    expect(log.machine.digest()).not.toBe(before);
    expect(log.applied.at(-1)?.changes).toMatchObject({ revision: false, config: false, backends: [] });
  });

  it('keeps the order of the document', () => {
    const log = new TestLog();
    const pool = (name: string) => ({
      name,
      backends: [
        { id: 'z', address: 'a:1' },
        { id: 'a', address: 'a:2' },
      ],
    });
    log.run({ type: 'config.replace', document: { pools: [pool('z'), pool('m'), pool('a')] } });
    expect(readConfig(log.state).pools.map((one) => one.name)).toEqual(['z', 'm', 'a']);
    log.run({ type: 'config.replace', document: { pools: [pool('a'), pool('z')] } });
    expect(readConfig(log.state).pools.map((one) => one.name)).toEqual(['a', 'z']);
    expect(readConfig(log.state).pools[0]?.backends.map((one) => one.id)).toEqual(['z', 'a']);
  });

  it('gives the same document no new revision, unless somebody staked one on it', () => {
    const log = seeded();
    expect(log.run({ type: 'config.replace', document: sampleDocument(3) })).toMatchObject({
      ok: true,
      changed: false,
      revision: 1,
    });
    const staked = { type: 'config.replace', document: sampleDocument(3), ifMatch: 1 } as const;
    expect(log.run(staked)).toMatchObject({ ok: true, changed: false, revision: 3 });
    expect(log.run(staked)).toMatchObject({ ok: false, code: 'REVISION_MISMATCH' });
  });

  it('keeps the slots of backends that stay, and gives none away at once', () => {
    const log = seeded(3);
    const slot = (id: string) => log.state.backends.get(`api/${id}`)?.slot;
    const [one, two, three] = [slot('b1'), slot('b2'), slot('b3')];
    log.run({ type: 'resource.delete', kind: 'backend', pool: 'api', name: 'b2' });
    log.run({ type: 'resource.put', kind: 'backend', pool: 'api', name: 'b4', value: { address: '10.0.0.4:80' } });
    expect([slot('b1'), slot('b3')]).toEqual([one, three]);
    expect(slot('b4')).not.toBe(two);
    expect(new Set([one, three, slot('b4')]).size).toBe(3);
  });
});

describe('If-Match', () => {
  it('lets exactly one of many writers win each revision', () => {
    const log = seeded();
    for (let round = 0; round < 5; round++) {
      const ifMatch = log.state.meta.revision;
      const results = Array.from({ length: 20 }, (_, weight) =>
        log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight, ifMatch }),
      );
      expect(results.filter((result) => result.ok)).toHaveLength(1);
    }
  });

  it('says which revision is current', () => {
    const log = seeded();
    expect(log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight: 5, ifMatch: 0 })).toMatchObject({
      ok: false,
      code: 'REVISION_MISMATCH',
      revision: 1,
      details: [{ path: 'revision', message: '1' }],
    });
  });
});

describe('backend.set', () => {
  it('changes weight and state, and asks for a delta only', () => {
    const log = seeded();
    const result = log.run({ type: 'backend.set', pool: 'api', id: 'b2', weight: 7, state: 'draining', ...by });
    expect(result).toMatchObject({ ok: true, changed: true, revision: 2 });
    expect(readConfig(log.state).pools[0]?.backends[1]).toMatchObject({ weight: 7, state: 'draining' });
    const { changes } = log.applied.at(-1) ?? {};
    expect(changes).toMatchObject({ revision: true, config: false, backends: [{ pool: 'api', id: 'b2' }] });
    expect(readHistory(log.state)[0]).toMatchObject({
      summary: 'backend api/b2: weight 100 → 7, state enabled → draining',
      author: 'alice',
      source: '192.0.2.1',
    });
  });

  it.each([
    [{ pool: 'api', id: 'none', weight: 1 }, 'NOT_FOUND'],
    [{ pool: 'none', id: 'b1', weight: 1 }, 'NOT_FOUND'],
    [{ pool: 'api', id: 'b1', weight: 1001 }, 'BAD_REQUEST'],
    [{ pool: 'api', id: 'b1', state: 'asleep' as 'enabled' }, 'BAD_REQUEST'],
  ])('refuses %j', (fields, code) => {
    expect(seeded().run({ type: 'backend.set', ...fields })).toMatchObject({ ok: false, code });
  });
});

describe('the summary in history and audit', () => {
  it.each([
    [{ pools: [] }, 'listener web removed; pool api removed; backends api/b1 api/b2 api/b3 removed'],
    [sampleDocument(8), 'pool api changed; backends api/b4 api/b5 api/b6 and 2 more added'],
    [{ ...sampleDocument(3), settings: { viaName: 'lb' } }, 'settings changed'],
    [sampleDocument(3, { slowStartMs: 1 }), 'pool api changed'],
  ])('%#', (document, summary) => {
    const log = seeded(3);
    log.run({ type: 'config.replace', document, ...by });
    expect(readHistory(log.state)[0]?.summary).toBe(summary);
    expect(log.state.audit.get('2')).toMatchObject({ author: 'alice', target: 'config', summary, revision: 2 });
  });
});

describe('single resources', () => {
  it('puts, patches and deletes a listener', () => {
    const log = seeded();
    const value = { port: 8081, protocol: 'http', routes: [{ pool: 'api' }] };
    const ref = { kind: 'listener', name: 'other' } as const;
    expect(log.run({ type: 'resource.put', ...ref, value })).toMatchObject({ ok: true, created: true });
    expect(log.run({ type: 'resource.put', ...ref, value: { ...value, port: 8082 } })).toMatchObject({
      created: false,
    });
    const patch = { maxConnections: 5, timeouts: { idleMs: 50 } };
    expect(log.run({ type: 'resource.patch', ...ref, patch })).toMatchObject({ ok: true });
    expect(log.state.listeners.get('other')).toMatchObject({
      port: 8082,
      maxConnections: 5,
      timeouts: { idleMs: 50, headerMs: 10_000 },
    });
    expect(log.run({ type: 'resource.delete', ...ref })).toMatchObject({ ok: true });
    expect(readConfig(log.state).listeners.map((one) => one.name)).toEqual(['web']);
  });

  it('names faults by the paths of the resource itself', () => {
    const value = { port: 8080, protocol: 'http', routes: [{ pool: 'none' }] };
    expect(seeded().run({ type: 'resource.put', kind: 'listener', name: 'other', value })).toMatchObject({
      ok: false,
      code: 'INVALID_CONFIG',
      details: [{ path: 'port' }, { path: 'routes[0].pool', message: 'there is no pool "none"' }],
    });
  });

  it('refuses to take away what is in use', () => {
    expect(seeded().run({ type: 'resource.delete', kind: 'pool', name: 'api' })).toMatchObject({
      ok: false,
      code: 'CONFLICT',
      details: [{ path: 'listeners[0].routes[0].pool' }],
    });
  });

  it('refuses another name inside, a name that is none, and settings gone', () => {
    const log = seeded();
    const value = { id: 'b9', address: 'a:1' };
    expect(log.run({ type: 'resource.put', kind: 'backend', pool: 'api', name: 'b8', value })).toMatchObject({
      code: 'INVALID_CONFIG',
      details: [{ path: 'id' }],
    });
    expect(log.run({ type: 'resource.put', kind: 'pool', name: 'A/B', value: {} })).toMatchObject({
      code: 'BAD_REQUEST',
    });
    expect(log.run({ type: 'resource.delete', kind: 'settings', name: '' })).toMatchObject({ code: 'BAD_REQUEST' });
    expect(log.run({ type: 'resource.delete', kind: 'pool', name: 'none' })).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('patches a pool without touching its backends, and settings', () => {
    const log = seeded();
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight: 3 });
    log.run({ type: 'resource.patch', kind: 'pool', name: 'api', patch: { algorithm: 'p2c' } });
    expect(readConfig(log.state).pools[0]).toMatchObject({ algorithm: 'p2c', backends: [{ weight: 3 }, {}, {}] });
    log.run({ type: 'resource.patch', kind: 'settings', name: '', patch: { viaName: 'lb' } });
    expect(readConfig(log.state).settings).toEqual({
      readyWithoutQuorum: true,
      viaName: 'lb',
      drainPropagationMs: 3_000,
    });
  });

  it('keeps a private key that is written back as its mark', () => {
    const log = seeded();
    const certPem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----';
    const keyPem = '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----';
    log.run({ type: 'resource.put', kind: 'certificate', name: 'site', value: { certPem, keyPem } });
    const shown = redactConfig(readConfig(log.state));
    expect(JSON.stringify(shown)).not.toContain('PRIVATE KEY');
    expect(log.run({ type: 'config.replace', document: shown })).toMatchObject({ ok: true, changed: false });
    expect(log.state.certificates.get('site')?.keyPem).toBe(keyPem);
  });
});

describe('history and rollback', () => {
  it('gives every former document, and goes back to one', () => {
    const log = seeded(2);
    const documents = new Map([[1, readConfig(log.state)]]);
    const keep = () => documents.set(log.state.meta.revision, readConfig(log.state));
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight: 1 });
    keep();
    log.run({ type: 'resource.delete', kind: 'backend', pool: 'api', name: 'b2' });
    keep();
    log.run({ type: 'config.replace', document: {} });
    keep();
    log.run({ type: 'resource.put', kind: 'pool', name: 'x', value: {} });
    keep();
    for (const [revision, document] of documents) expect(readConfigAt(log.state, revision)).toEqual(document);
    expect(readConfigAt(log.state, 99)).toBeUndefined();
    expect(log.run({ type: 'config.rollback', revision: 2 })).toMatchObject({ ok: true, revision: 6 });
    expect(readConfig(log.state)).toEqual(documents.get(2));
    expect(readHistory(log.state)[0]?.summary).toMatch(/^back to revision 2: /);
    expect(log.run({ type: 'config.rollback', revision: 77 })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
  });
});

it('the last thousand changes are remembered, and no more', () => {
  const { machine } = seeded();
  for (let count = 1; count <= 1_010; count++) {
    const data = encodeCommand({ v: 1, type: 'backend.set', pool: 'api', id: 'b1', weight: count % 2 });
    machine.apply([{ index: count + 1, term: 1, kind: 0, stampMs: count, origin: '', seq: count, data }]);
  }
  const { audit, history } = machine.state;
  expect([audit.size, history.size]).toEqual([1_000, 1_000]);
  expect([audit.has('11'), audit.has('12'), history.has('11'), history.has('12')]).toEqual([false, true, false, true]);
});

describe('an idempotency key', () => {
  it('does a thing once and answers the same again', () => {
    const log = seeded();
    const command = { type: 'backend.set', pool: 'api', id: 'b1', weight: 5, key: 'k1', ...by } as const;
    const first = log.run(command);
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight: 6 });
    expect(log.run({ ...command, source: '192.0.2.9' })).toEqual({ ...first, replayed: true });
    expect(log.state.backends.get('api/b1')?.config.weight).toBe(6);
  });

  it('is the author’s own, and for one request', () => {
    const log = seeded();
    const command = { type: 'backend.set', pool: 'api', id: 'b1', weight: 5, key: 'k1', author: 'alice' } as const;
    log.run(command);
    expect(log.run({ ...command, weight: 6 })).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(log.run({ ...command, weight: 6, author: 'bob' })).toMatchObject({ ok: true, changed: true });
  });

  it('is forgotten early where the answers grow too large together: each may list a thousand faults', () => {
    const machine = new ClusterStateMachine();
    const document = { pools: Array.from({ length: 1_000 }, () => ({ name: '?'.repeat(63) })) };
    const replace = (key: string): unknown => {
      const data = encodeCommand({ v: 1, type: 'config.replace', document, key });
      const index = machine.state.meta.index + 1;
      return machine.apply([{ index, term: 1, kind: 0, stampMs: 1, origin: '', seq: 0, data }])[0];
    };
    replace('first');
    const { bytes } = machine.state.outcomes;
    for (let count = 1; count * bytes < 18_000_000; count++) replace(`${count}`);
    expect(machine.state.outcomes.bytes).toBeLessThanOrEqual(16_777_216);
    expect(machine.state.outcomes.size).toBeGreaterThan(10);
    expect(replace('first')).not.toHaveProperty('replayed');
  });

  it('is no longer answered from memory after a day, also where nobody has ticked since', () => {
    const log = seeded();
    const command = { type: 'backend.set', pool: 'api', id: 'b1', weight: 5, key: 'k1' } as const;
    log.run(command);
    log.pass(86_400_000);
    expect(log.run(command)).toHaveProperty('replayed');
    log.pass(1);
    expect(log.run(command)).not.toHaveProperty('replayed');
  });

  it('is forgotten after a day', () => {
    const log = seeded();
    const command = { type: 'backend.set', pool: 'api', id: 'b1', weight: 5, key: 'k1' } as const;
    log.run(command);
    log.wait(10_000);
    expect(log.state.outcomes.size).toBe(1);
    log.leap(86_400_000);
    expect(log.state.outcomes.size).toBe(0);
    expect(log.run(command)).toMatchObject({ ok: true, changed: false });
  });
});
