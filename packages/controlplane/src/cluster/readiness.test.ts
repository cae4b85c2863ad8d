/** Readiness: each reason, and what must have happened only once. */
import { describe, expect, it } from 'vitest';
import { Readiness, type ReadinessFacts } from './readiness.ts';

const GOOD: ReadinessFacts = {
  loaded: true,
  loadingReason: '',
  caughtUp: true,
  listenerFaults: [],
  unknownBackends: () => [],
  awaitsConfig: false,
  draining: false,
  isolated: false,
  quorum: true,
  readyWithoutQuorum: true,
  stopping: false,
  quarantine: '',
  removed: false,
};

describe('readiness', () => {
  it('is given where nothing speaks against it, also without quorum', () => {
    expect(new Readiness().reasons(GOOD)).toEqual([]);
    expect(new Readiness().reasons({ ...GOOD, quorum: false })).toEqual([]);
  });

  it.each([
    [{ stopping: true }, 'stopping'],
    [{ loaded: false, loadingReason: 'opening the store' }, 'opening the store'],
    [{ caughtUp: false }, 'not caught up'],
    [{ awaitsConfig: true }, 'first configuration'],
    [{ unknownBackends: () => ['api/b1'] }, 'api/b1'],
    [{ listenerFaults: ['listener web cannot bind port 80: EACCES'] }, 'EACCES'],
    [{ draining: true }, 'draining'],
    [{ isolated: true }, 'isolated'],
    [{ quarantine: 'quarantined' }, 'quarantined'],
    [{ removed: true }, 'removed'],
    [{ quorum: false, readyWithoutQuorum: false }, 'no quorum'],
  ] satisfies [Partial<ReadinessFacts>, string][])('is withheld: %o', (facts, reason) => {
    expect(new Readiness().reasons({ ...GOOD, ...facts }).join()).toContain(reason);
  });

  it('asks for first verdicts once: a backend that comes later does not take the node out', () => {
    const readiness = new Readiness();
    expect(readiness.reasons({ ...GOOD, unknownBackends: () => ['a/1', 'a/2', 'a/3', 'a/4', 'a/5'] })).toEqual([
      'first health verdicts are missing: a/1, a/2, a/3 and 2 more',
    ]);
    expect(readiness.reasons(GOOD)).toEqual([]);
    expect(readiness.reasons({ ...GOOD, unknownBackends: () => ['a/6'] })).toEqual([]);
  });

  it('does not take an empty cluster for one whose verdicts are known', () => {
    const readiness = new Readiness();
    readiness.reasons({ ...GOOD, awaitsConfig: true });
    expect(readiness.reasons({ ...GOOD, unknownBackends: () => ['a/1'] })).toHaveLength(1);
  });
});
