/** Verdicts as the log brings them about: quorum, silence, death, drain, isolation, flapping, ejection. */
import { describe, expect, it } from 'vitest';
import { featureLevel } from '../limits.ts';
import { isIsolated, readHealth } from './index.ts';
import { sampleDocument, TestLog } from './testing/log.ts';

function cluster(options: { nodes?: number; backends?: number; pool?: object } = {}): TestLog {
  const { nodes = 3, backends = 3, pool = {} } = options;
  const log = new TestLog();
  log.run({ type: 'config.replace', document: sampleDocument(backends, pool) });
  log.join(...Array.from({ length: nodes }, (_, at) => `n${at + 1}`));
  return log;
}

const ALL = ['api/b1', 'api/b2', 'api/b3'];

function allUp(log: TestLog, nodes = 3): TestLog {
  for (let node = 1; node <= nodes; node++) log.observe(`n${node}`, true, ...ALL);
  return log;
}

/** Waits while every node goes on sending heartbeats. */
function live(log: TestLog, ms: number, ...nodes: string[]): void {
  for (let left = ms; left > 0; left -= 5_000) {
    log.wait(Math.min(left, 5_000));
    for (const node of nodes) log.observe(node, true);
  }
}

describe('a verdict by quorum', () => {
  it.each([
    ['majority', 'uuu', 'up'],
    ['majority', 'uud', 'up'],
    ['majority', 'udd', 'down'],
    ['majority', 'ddd', 'down'],
    ['majority', 'u', 'unknown'],
    ['majority', 'd', 'unknown'],
    ['majority', 'ud', 'unknown'],
    ['majority', 'uu', 'up'],
    ['any', 'uud', 'down'],
    ['any', 'uu', 'up'],
    ['any', 'd', 'down'],
    ['any', 'u', 'unknown'],
    ['all', 'udd', 'up'],
    ['all', 'dd', 'unknown'],
    ['all', 'ddd', 'down'],
    ['all', 'u', 'up'],
  ])('%s of three, %s: %s', (observers, votes, verdict) => {
    const log = cluster({ pool: { health: { observers } } });
    for (const [at, vote] of votes.split('').entries()) log.observe(`n${at + 1}`, vote === 'u', 'api/b1');
    expect(log.verdict('api/b1')).toBe(verdict);
  });

  it('is told with its reason and as a delta', () => {
    const log = allUp(cluster());
    log.observe('n1', false, 'api/b1');
    expect(log.applied.at(-1)?.changes.verdicts).toEqual([]);
    const upSinceMs = log.state.verdicts.get('api/b1')?.upSinceMs;
    log.pass(1_000);
    log.observe('n3', false, 'api/b1');
    expect(log.state.verdicts.get('api/b1')).toMatchObject({ upSinceMs, sinceMs: log.nowMs });
    expect(log.applied.at(-1)?.changes).toMatchObject({
      config: false,
      revision: false,
      backends: [{ pool: 'api', id: 'b1' }],
      verdicts: [{ pool: 'api', id: 'b1', from: 'up', to: 'down' }],
    });
    expect(readHealth(log.state)[0]).toMatchObject({
      verdict: 'down',
      reason: '2 of 3 observers see it down; n1: connect refused',
      observers: [
        { node: 'n1', ok: false, counts: true },
        { node: 'n2', ok: true },
        { node: 'n3', ok: false },
      ],
    });
  });

  it('is up without probes where there are none', () => {
    const log = cluster({ pool: { health: { protocol: 'none' } } });
    expect(log.verdict('api/b1')).toBe('up');
  });

  it('begins anew where the address changes, and stays where anything else does', () => {
    const log = allUp(cluster());
    const patch = (fields: object) =>
      log.run({ type: 'resource.patch', kind: 'backend', pool: 'api', name: 'b1', patch: fields });
    patch({ priority: 1 });
    expect(log.verdict('api/b1')).toBe('up');
    patch({ address: '10.0.0.9:80' });
    expect(log.verdict('api/b1')).toBe('unknown');
    expect(log.state.observations.has('api/b1')).toBe(false);
  });

  it('no longer hangs on what a node said on its former disk', () => {
    const log = allUp(cluster({ pool: { health: { observers: 'any' } } }));
    log.observe('n1', false, 'api/b1');
    expect(log.verdict('api/b1')).toBe('down');
    const facts = { raft: 'n1:7500', api: 'n1:7400', version: '0.1.0', featureLevel };
    expect(log.run({ type: 'member.announce', id: 'n1', replica: 'n1#2', ...facts })).toMatchObject({ ok: true });
    expect(log.verdict('api/b1')).toBe('up');
  });

  it('follows a change of policy at once', () => {
    const log = allUp(cluster());
    log.observe('n1', false, 'api/b1');
    log.run({ type: 'resource.patch', kind: 'pool', name: 'api', patch: { health: { observers: 'any' } } });
    expect(log.verdict('api/b1')).toBe('down');
  });
});

describe('whose observations count', () => {
  it('not those of the dead, which expire', () => {
    const log = allUp(cluster());
    log.observe('n1', false, 'api/b1');
    log.run({ type: 'member.liveness', items: [{ id: 'n2', alive: false }] });
    expect(log.applied.at(-1)?.changes.forgotten).toEqual(['n2']);
    expect(readHealth(log.state)[0]?.observers.map((one) => one.node)).toEqual(['n1', 'n3']);
    // One to one among the two that live: the last verdict stands.
    expect(log.verdict('api/b1')).toBe('up');
    log.observe('n3', false, 'api/b1');
    expect(log.verdict('api/b1')).toBe('down');
    log.run({ type: 'member.liveness', items: [{ id: 'n3', alive: false }] });
    log.observe('n1', true, 'api/b1');
    expect(log.verdict('api/b1')).toBe('up');
  });

  it('not those of the silent, who are told to say everything again', () => {
    const log = allUp(cluster());
    log.observe('n1', false, 'api/b1');
    live(log, 20_000, 'n1');
    // n2 and n3 said nothing for longer than 15 s: n1 decides alone.
    expect(log.verdict('api/b1')).toBe('down');
    expect(log.applied.flatMap(({ changes }) => changes.forgotten)).toEqual(['n2', 'n3']);
    // A heartbeat alone does not bring back what they said before.
    for (const node of ['n2', 'n3']) log.observe(node, true);
    expect(log.verdict('api/b1')).toBe('down');
    for (const node of ['n2', 'n3']) log.observe(node, true, ...ALL);
    expect(log.verdict('api/b1')).toBe('up');
  });

  it('those of everybody after a time when nobody could be heard', () => {
    const log = allUp(cluster());
    log.leap(3_600_000);
    // Whoever speaks first does not decide alone.
    log.observe('n1', false, ...ALL);
    expect(log.verdict('api/b1')).toBe('up');
    live(log, 20_000, 'n1');
    expect(log.verdict('api/b1')).toBe('down');
  });

  it('not those of a node that is being drained', () => {
    const log = allUp(cluster());
    log.run({ type: 'drain.set', id: 'n2' });
    for (const node of ['n1', 'n2']) log.observe(node, false, 'api/b1');
    // One to one among those that count.
    expect(log.verdict('api/b1')).toBe('up');
    expect(readHealth(log.state)[0]?.observers[1]).toMatchObject({ node: 'n2', counts: false, why: 'draining' });
    log.run({ type: 'drain.cancel', id: 'n2' });
    expect(log.verdict('api/b1')).toBe('down');
  });

  it('not those of strangers and former incarnations', () => {
    const log = allUp(cluster());
    const report = { type: 'observe', node: 'n1', incarnation: '0', observations: [] } as const;
    expect(log.run(report)).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(log.run({ ...report, node: 'n9' })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
    log.observe('n1', false, 'api/b1');
    const reborn = { replica: 'n1#2', raft: 'a', api: 'b', version: '1', featureLevel };
    log.run({ type: 'member.announce', id: 'n1', ...reborn });
    expect(readHealth(log.state)[0]?.observers.map((one) => one.node)).toEqual(['n2', 'n3']);
  });

  it('not those of members that left', () => {
    const log = allUp(cluster());
    log.observe('n1', false, 'api/b1');
    log.run({ type: 'member.remove', id: 'n2' });
    log.run({ type: 'member.remove', id: 'n3' });
    expect(log.verdict('api/b1')).toBe('down');
  });
});

describe('an observer that alone sees most backends down', () => {
  it('loses its vote once the others had time to agree, and gets it back when it agrees', () => {
    const log = allUp(cluster({ pool: { health: { observers: 'any' } } }));
    log.observe('n1', false, 'api/b1', 'api/b2');
    expect(log.verdict('api/b1')).toBe('down');
    live(log, 5_000, 'n1', 'n2', 'n3');
    expect(isIsolated(log.state, 'n1')).toBe(false);
    live(log, 5_000, 'n1', 'n2', 'n3');
    expect(isIsolated(log.state, 'n1')).toBe(true);
    expect(log.applied.some(({ changes }) => changes.isolated.includes('n1'))).toBe(true);
    expect(log.verdict('api/b1')).toBe('up');
    log.observe('n1', true, 'api/b1');
    expect(isIsolated(log.state, 'n1')).toBe(false);
  });

  it('is not suspect where others confirm, however late within their interval', () => {
    const log = allUp(cluster());
    log.observe('n1', false, ...ALL);
    live(log, 6_000, 'n1', 'n2', 'n3');
    log.observe('n2', false, ...ALL);
    live(log, 30_000, 'n1', 'n2', 'n3');
    expect(['n1', 'n2', 'n3'].filter((node) => isIsolated(log.state, node))).toEqual([]);
    expect(log.verdict('api/b1')).toBe('down');
  });

  it('is believed where it is one backend of several', () => {
    const log = allUp(cluster());
    log.observe('n1', false, 'api/b1');
    live(log, 60_000, 'n1', 'n2', 'n3');
    expect(isIsolated(log.state, 'n1')).toBe(false);
  });

  it('is believed where there is one backend only: too little to tell who is cut off', () => {
    const log = allUp(cluster());
    for (const name of ['b2', 'b3']) log.run({ type: 'resource.delete', kind: 'backend', pool: 'api', name });
    log.observe('n1', false, 'api/b1');
    live(log, 60_000, 'n1', 'n2', 'n3');
    expect(isIsolated(log.state, 'n1')).toBe(false);
  });

  it('of two, is the one that cannot reach what the other can', () => {
    const log = allUp(cluster({ nodes: 2 }), 2);
    log.observe('n2', false, ...ALL);
    expect(log.verdict('api/b1')).toBe('up');
    live(log, 10_000, 'n1', 'n2');
    expect([isIsolated(log.state, 'n1'), isIsolated(log.state, 'n2')]).toEqual([false, true]);
    log.observe('n1', false, 'api/b1');
    expect(log.verdict('api/b1')).toBe('down');
  });
});

describe('a backend that flaps', () => {
  function flap(log: TestLog): void {
    for (const ok of [false, true]) for (const node of ['n1', 'n2', 'n3']) log.observe(node, ok, 'api/b1');
  }

  it('is held down for longer each time, visibly, and forgiven after a quiet while', () => {
    const log = allUp(cluster());
    for (let fall = 1; fall <= 3; fall++) {
      flap(log);
      expect(log.verdict('api/b1')).toBe('up');
    }
    flap(log);
    expect(readHealth(log.state)[0]).toMatchObject({ verdict: 'down', flapCount: 4, holdUntilMs: log.nowMs + 30_000 });
    live(log, 29_000, 'n1', 'n2', 'n3');
    expect(log.verdict('api/b1')).toBe('down');
    live(log, 2_000, 'n1', 'n2', 'n3');
    expect(log.verdict('api/b1')).toBe('up');
    flap(log);
    expect(readHealth(log.state)[0]).toMatchObject({ verdict: 'down', flapCount: 5, holdUntilMs: log.nowMs + 60_000 });
    live(log, 400_000, 'n1', 'n2', 'n3');
    expect(readHealth(log.state)[0]).toMatchObject({ verdict: 'up', flapCount: 0, holdUntilMs: 0 });
  });
});

describe('the longest times', () => {
  it('a backend that never stops flapping is held down for five minutes at most', () => {
    const log = allUp(cluster());
    for (let fall = 1; fall <= 30; fall++)
      for (const ok of [false, true]) for (const node of ['n1', 'n2', 'n3']) log.observe(node, ok, 'api/b1');
    expect(readHealth(log.state)[0]).toMatchObject({ flapCount: 30, holdUntilMs: log.nowMs + 300_000 });
  });

  it('one that fails its traffic each time it is back is ejected for five minutes at most', () => {
    const log = allUp(cluster({ pool: { outlier: { baseEjectionMs: 200_000 } } }));
    const propose = () => log.run({ type: 'outlier.propose', pool: 'api', backend: 'b1', node: 'n1' });
    propose();
    live(log, 210_000, 'n1', 'n2', 'n3');
    expect(log.verdict('api/b1')).toBe('up');
    propose();
    expect(readHealth(log.state)[0]?.ejectedUntilMs).toBe(log.nowMs + 300_000);
  });
});

describe('an ejection', () => {
  const outlier = { outlier: { baseEjectionMs: 10_000 } };
  const propose = (log: TestLog, backend: string) =>
    log.run({ type: 'outlier.propose', pool: 'api', backend, node: 'n1' });

  it('is committed under the cap of the pool and lifted on evidence', () => {
    const log = allUp(cluster({ pool: outlier }));
    expect(propose(log, 'b1')).toMatchObject({ ok: true, changed: true });
    expect(log.verdict('api/b1')).toBe('ejected');
    expect(propose(log, 'b2')).toMatchObject({ ok: false, code: 'CONFLICT' });
    live(log, 9_000, 'n1', 'n2', 'n3');
    expect(log.verdict('api/b1')).toBe('ejected');
    live(log, 2_000, 'n1', 'n2', 'n3');
    expect(log.verdict('api/b1')).toBe('up');
    propose(log, 'b1');
    live(log, 11_000, 'n1', 'n2', 'n3');
    expect(log.verdict('api/b1')).toBe('ejected');
  });

  it('gives way to probes that see it down', () => {
    const log = allUp(cluster({ pool: outlier }));
    propose(log, 'b1');
    for (const node of ['n1', 'n2']) log.observe(node, false, 'api/b1');
    expect(log.verdict('api/b1')).toBe('down');
    live(log, 60_000, 'n1', 'n2', 'n3');
    expect(log.verdict('api/b1')).toBe('down');
  });

  it('is not lifted by time alone, where nobody can say that the backend is up', () => {
    const log = allUp(cluster({ pool: outlier }));
    propose(log, 'b1');
    log.run({ type: 'member.liveness', items: ['n1', 'n2', 'n3'].map((id) => ({ id, alive: false })) });
    log.wait(20_000);
    expect(log.verdict('api/b1')).toBe('ejected');
    log.run({ type: 'member.liveness', items: [{ id: 'n2', alive: true }] });
    log.observe('n2', true, 'api/b1');
    expect(log.verdict('api/b1')).toBe('up');
  });

  it('is never that of the last that serves, of a pool without ejection, or proposed by who has no vote', () => {
    const last = allUp(cluster({ pool: outlier }));
    for (const id of ['b2', 'b3']) last.run({ type: 'backend.set', pool: 'api', id, state: 'maintenance' });
    expect(propose(last, 'b1')).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(propose(allUp(cluster()), 'b1')).toMatchObject({ ok: false, code: 'CONFLICT' });
    const dead = allUp(cluster({ pool: outlier }));
    dead.run({ type: 'member.liveness', items: [{ id: 'n1', alive: false }] });
    expect(propose(dead, 'b1')).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(propose(dead, 'none')).toMatchObject({ ok: false, code: 'NOT_FOUND' });
  });
});
