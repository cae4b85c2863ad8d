/** Snapshots: exact in size, untouched by what comes later, refused where a bit is wrong. */
import { describe, expect, it } from 'vitest';
import { ClusterStateMachine } from './state-machine.ts';
import { sampleDocument, TestLog } from './state/testing/log.ts';

const CONF = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

function world(): TestLog {
  const log = new TestLog();
  log.run({ type: 'config.replace', document: sampleDocument(200, { backends: undefined }), author: 'zoë 🚢 \ud800' });
  const document = sampleDocument(200);
  log.run({ type: 'config.replace', document, author: 'zoë 🚢 \ud800', key: 'ключ' });
  log.join('n1', 'n2', 'n3');
  log.observe('n1', false, 'api/b1', 'api/b2');
  for (let weight = 0; weight < 300; weight++) log.run({ type: 'backend.set', pool: 'api', id: 'b9', weight });
  return log;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const list: Uint8Array[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return list;
}

async function* stream(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

function meta(log: TestLog, sizeBytes: number) {
  return { index: log.state.meta.index, term: 1, conf: CONF, digest: log.machine.digest(), sizeBytes };
}

describe('a snapshot', () => {
  it('is as long as was said, whatever the texts, and comes back from pieces of any size', async () => {
    const log = world();
    const { sizeBytes, digest, chunks } = log.machine.capture();
    const bytes = Buffer.concat(await collect(chunks));
    expect(bytes.length).toBe(sizeBytes);
    for (const size of [7, 1_000, 1_000_000]) {
      const copy = new ClusterStateMachine();
      const told: boolean[] = [];
      copy.onApplied(({ restored }) => told.push(restored));
      await copy.restore(meta(log, sizeBytes), stream(bytes, size));
      expect(copy.digest()).toBe(digest);
      expect(told).toEqual([true]);
      expect(copy.capture().sizeBytes).toBe(sizeBytes);
    }
  });

  it('is of the moment when it was captured, also where it is read later', async () => {
    const log = world();
    const at = meta(log, 0);
    const { digest, chunks } = log.machine.capture();
    log.run({ type: 'config.replace', document: sampleDocument(3) });
    log.run({ type: 'member.remove', id: 'n1' });
    expect(log.machine.digest()).not.toBe(digest);
    const copy = new ClusterStateMachine();
    await copy.restore(at, chunks);
    expect(copy.digest()).toBe(digest);
    expect(copy.state.backends.size).toBe(200);
  });

  it('gives others a turn between its slices', async () => {
    const log = new TestLog();
    log.run({ type: 'config.replace', document: sampleDocument(5_000) });
    let turns = 0;
    const machine = new ClusterStateMachine({ pause: async () => void turns++ });
    machine.apply(log.entries);
    const chunks = await collect(machine.capture().chunks);
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThan(2 * 262_144);
    expect(turns).toBeGreaterThanOrEqual(chunks.length - 2);
  });

  it('has no place for tables without rows, and refuses those of newer versions', async () => {
    const log = new TestLog();
    log.run({ type: 'tick' });
    const { sizeBytes, chunks } = log.machine.capture();
    const text = Buffer.concat(await collect(chunks)).toString();
    expect(JSON.parse(text)).toMatchObject({ tables: [] });
    const newer = Buffer.from(text.replace('"tables":[]', '"tables":[["pins",0]]'));
    const restoring = new ClusterStateMachine().restore(meta(log, sizeBytes), stream(newer, 1_000));
    await expect(restoring).rejects.toThrow(/newer/);
  });

  it('is refused where anything in it is wrong, and the state stays as it was', async () => {
    const log = world();
    const { sizeBytes, chunks } = log.machine.capture();
    const bytes = Buffer.concat(await collect(chunks));
    const copy = new ClusterStateMachine();
    const before = copy.digest();
    for (let at = 40; at < bytes.length; at += Math.ceil(bytes.length / 50)) {
      const broken = Uint8Array.from(bytes);
      broken[at] = (broken[at] ?? 0) ^ 1;
      await expect(copy.restore(meta(log, sizeBytes), stream(broken, 10_000)), `byte ${at}`).rejects.toThrow();
    }
    for (const end of [0, 10, bytes.length - 1]) {
      await expect(copy.restore(meta(log, sizeBytes), stream(bytes.subarray(0, end), 10_000))).rejects.toThrow();
    }
    const twice = Buffer.concat([bytes, bytes]);
    await expect(copy.restore(meta(log, sizeBytes), stream(twice, 10_000))).rejects.toThrow(/more rows/);
    await expect(copy.restore({ ...meta(log, sizeBytes), index: 1 }, stream(bytes, 10_000))).rejects.toThrow(/index/);
    expect(copy.digest()).toBe(before);
  });
});
