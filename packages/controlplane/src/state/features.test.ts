/** Rolling upgrades: what newer versions know waits until the last member speaks it, and nobody goes back behind it. */
import { describe, expect, it } from 'vitest';
import { featureLevel } from '../limits.ts';
import { ClusterStateMachine } from '../state-machine.ts';
import { clusterLevel, commandLevel, raisableLevel } from './features.ts';
import { pinsPut } from './testing/arbitrary.ts';
import { sampleDocument, TEST_PINS_MAX_COUNT, TestLog } from './testing/log.ts';

const OLD = commandLevel('pins.put') - 1;

function mixed(): TestLog {
  const log = new TestLog();
  log.run({ type: 'config.replace', document: sampleDocument(2, { affinity: { type: 'source-ip', ttlMs: 60_000 } }) });
  log.announce('n1', featureLevel);
  log.announce('n2', featureLevel);
  log.announce('n3', OLD);
  return log;
}

const slot = (log: TestLog): number => log.state.backends.get('api/b1')?.slot ?? -1;

describe('while a member speaks an older level', () => {
  it('a newer command is refused, by all alike, and leaves no trace', () => {
    const log = mixed();
    const before = { ...log.state.meta };
    const result = log.run(pinsPut([['api', 1, slot(log)]]));
    expect(result).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(log.run({ type: 'pins.clear', pool: 'api', partition: 0, key: 'k1' })).toMatchObject({ ok: false });
    expect({ ...log.state.meta, index: before.index }).toEqual(before);
    expect(log.state.outcomes.size).toBe(0);
    expect(log.state.pins.size).toBe(0);
  });

  it('the cluster is not raised, whoever asks', () => {
    const log = mixed();
    expect(raisableLevel(log.state, ['n1#1', 'n2#1', 'n3#1'])).toBeNull();
    expect(log.run({ type: 'features.raise', level: featureLevel })).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(clusterLevel(log.state)).toBe(1);
  });

  it('a version that knows the command and one that does not stay of one mind', () => {
    const log = mixed();
    log.run(pinsPut([['api', 1, slot(log)]]));
    const old = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT, featureLevel: OLD });
    const unknown = Buffer.from('{"v":1,"type":"of a later version"}');
    for (const entry of log.entries) old.apply([entry === log.entries.at(-1) ? { ...entry, data: unknown } : entry]);
    expect(old.digest()).toBe(log.machine.digest());
  });
});

describe('once the last member is upgraded', () => {
  it('the leader raises the level, and the command is taken', () => {
    const log = mixed();
    log.announce('n3', featureLevel);
    const level = raisableLevel(log.state, ['n1#1', 'n2#1', 'n3#1']);
    expect(level).toBe(featureLevel);
    expect(log.run({ type: 'features.raise', level: level ?? 0 })).toMatchObject({ ok: true, changed: true });
    expect(log.run(pinsPut([['api', 1, slot(log)]]))).toMatchObject({ ok: true, changed: true });
    expect(raisableLevel(log.state, ['n1#1'])).toBeNull();
  });

  it('no node with less is taken in, and a version that was put back ends with a reason', () => {
    const log = new TestLog();
    log.join('n1', 'n2');
    expect(log.announce('n4', OLD)).toMatchObject({ ok: false, code: 'CONFLICT' });
    expect(log.announce('n1', OLD)).toMatchObject({ ok: false, code: 'CONFLICT' });
    const old = new ClusterStateMachine({ featureLevel: OLD });
    expect(() => old.apply(log.entries)).toThrow(/feature level/);
  });

  it('an old snapshot is no way back either', async () => {
    const log = new TestLog();
    log.join('n1');
    const { sizeBytes, digest, chunks } = log.machine.capture();
    const conf = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const meta = { index: log.state.meta.index, term: 1, conf, digest, sizeBytes };
    const old = new ClusterStateMachine({ featureLevel: OLD });
    await expect(old.restore(meta, chunks)).rejects.toThrow(/feature level/);
  });
});

it('a replica of the group that has not announced itself holds the level back', () => {
  const log = new TestLog();
  log.announce('n1', featureLevel);
  expect(raisableLevel(log.state, ['n1#1', 'n2#9'])).toBeNull();
  expect(raisableLevel(log.state, ['n1#1'])).toBe(featureLevel);
});
