/** The rules of pinning, in log time: first wins, who keeps a session, expiry, limits, slots, pages. */
import { encodeKey, newPinKey, PinReader } from '@flotilla/shared';
import { describe, expect, it } from 'vitest';
import { ClusterStateMachine } from '../state-machine.ts';
import { checkState } from './check-state.ts';
import { decodeCommand, encodeCommand } from './codec.ts';
import { PIN_PARTITIONS_COUNT } from './limits.ts';
import { readSession, readSessions, type SessionItem } from './pin-reads.ts';
import { pinsPut } from './testing/arbitrary.ts';
import { sampleDocument, TEST_PINS_MAX_COUNT, TestLog } from './testing/log.ts';

const MINUTE_MS = 60_000;

function world(affinity: object = {}, pool: object = {}): TestLog {
  const log = new TestLog();
  const settings = { type: 'source-ip', ttlMs: MINUTE_MS, ...affinity };
  const health = { observers: 'any' };
  log.run({ type: 'config.replace', document: sampleDocument(3, { affinity: settings, health, ...pool }) });
  log.join('n1', 'n2');
  return log;
}

const slotOf = (log: TestLog, id: string): number => log.state.backends.get(`api/${id}`)?.slot ?? -1;

function pin(log: TestLog, client: number, backend: string): boolean {
  const result = log.run(pinsPut([['api', client, slotOf(log, backend)]]));
  return result.ok && result.changed;
}

const session = (log: TestLog, client: number): SessionItem | null => readSession(log.state, 'api', `client-${client}`);

/** All pages, of `limit` each. */
function pages(log: TestLog, limit: number, pool?: string): SessionItem[][] {
  const all: SessionItem[][] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const reading = readSessions(log.state, { limit, cursor, ...(pool === undefined ? {} : { pool }) });
    let step = reading.next();
    while (step.done !== true) step = reading.next();
    all.push([...step.value.items]);
    cursor = step.value.cursor;
  }
  return all;
}

describe('a session', () => {
  it('belongs to the first that was committed, while that one may serve it', () => {
    const log = world();
    expect(pin(log, 1, 'b1')).toBe(true);
    expect(pin(log, 1, 'b2')).toBe(false);
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight: 0 });
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', state: 'draining' });
    expect(pin(log, 1, 'b2')).toBe(false);
    expect(session(log, 1)).toMatchObject({ pool: 'api', key: 'client-1', backend: 'b1' });
    log.run({ type: 'backend.set', pool: 'api', id: 'b1', state: 'maintenance' });
    expect(pin(log, 1, 'b2')).toBe(true);
    expect(session(log, 1)?.backend).toBe('b2');
    log.observe('n1', false, 'api/b2');
    expect(pin(log, 1, 'b3')).toBe(true);
  });

  it('of a strict pool goes to nobody else, whatever happens to its backend, until that is gone', () => {
    const log = world({ strict: true });
    pin(log, 1, 'b1');
    log.observe('n1', false, 'api/b1');
    expect(pin(log, 1, 'b2')).toBe(false);
    log.run({ type: 'resource.delete', kind: 'backend', pool: 'api', name: 'b1' });
    expect(session(log, 1)).toBeNull();
    expect(pin(log, 1, 'b2')).toBe(true);
  });

  it('stays with a backend that is down where the whole pool is and fails open', () => {
    const log = world({}, { failOpen: true });
    pin(log, 1, 'b1');
    log.observe('n1', false, 'api/b1');
    expect(pin(log, 1, 'b2')).toBe(true);
    log.observe('n1', false, 'api/b2', 'api/b3');
    expect(pin(log, 1, 'b3')).toBe(false);
  });

  it('ends in log time, is prolonged no sooner than needed, and is swept', () => {
    const log = world();
    pin(log, 1, 'b1');
    const first = session(log, 1);
    log.pass(14_000);
    expect(pin(log, 1, 'b1')).toBe(false);
    log.pass(4_000);
    expect(pin(log, 1, 'b1')).toBe(true);
    expect(session(log, 1)).toEqual({ ...first, expiresAt: (first?.expiresAt ?? 0) + 18_000 });
    log.pass(MINUTE_MS + 1_000);
    log.run({ type: 'tick' });
    expect(session(log, 1)).toBeNull();
    expect(pin(log, 1, 'b2')).toBe(true);
    log.wait(MINUTE_MS + 40_000);
    expect(log.state.pins.size).toBe(0);
    log.wait(1_000);
    expect(log.state.pinSweeps.size).toBe(0);
  });

  it('is deleted by its key, given or shown, once', () => {
    const log = world();
    const long = 'a session key of more than fifteen bytes';
    const key = newPinKey();
    encodeKey('api', long, key);
    log.run({ type: 'pins.put', items: Int32Array.from([key.pool, ...key.words, slotOf(log, 'b2')]) });
    const shown = readSession(log.state, 'api', long)?.key ?? '';
    expect(shown).toMatch(/^#[0-9a-f]{30}$/);
    expect(log.run({ type: 'pins.delete', pool: 'api', session: shown })).toMatchObject({ ok: true });
    expect(log.run({ type: 'pins.delete', pool: 'api', session: long })).toMatchObject({
      ok: false,
      code: 'NOT_FOUND',
    });
    expect(log.applied.flatMap(({ changes }) => changes.unpinned)).toEqual([{ pool: 'api', key: shown }]);
  });

  it('needs a pool that pins and a backend of that pool', () => {
    const log = world({ type: 'cookie' });
    expect(pin(log, 1, 'b1')).toBe(false);
    expect(log.run(pinsPut([['api', 1, 99]]))).toMatchObject({ ok: true, changed: false });
    expect(log.run(pinsPut([['other', 1, slotOf(log, 'b1')]]))).toMatchObject({ ok: true, changed: false });
    expect(log.state.pins.memory).toBeNull();
  });
});

describe('the table', () => {
  it('takes no more than it holds, and says how many each pool has', () => {
    const log = world();
    const all = Array.from({ length: TEST_PINS_MAX_COUNT + 5 }, (_, n) => ['api', n, slotOf(log, 'b1')] as const);
    log.run(pinsPut(all));
    expect([log.state.pins.size, log.state.pins.countOf('api')]).toEqual([TEST_PINS_MAX_COUNT, TEST_PINS_MAX_COUNT]);
    expect(log.state.pins.countOf('other')).toBe(0);
    expect(pin(log, 3, 'b1')).toBe(false);
  });

  it('gives a slot to another backend only when no pin can name it any more', () => {
    const log = world();
    const slot = slotOf(log, 'b1');
    pin(log, 1, 'b1');
    pin(log, 2, 'b2');
    log.run({ type: 'resource.delete', kind: 'backend', pool: 'api', name: 'b1' });
    expect(log.state.restingSlots.get(String(slot))).toBeDefined();
    log.wait(31_000);
    expect(log.state.restingSlots.size).toBe(1);
    log.wait(1_000);
    expect([log.state.restingSlots.size, log.state.pins.size]).toEqual([0, 1]);
  });

  it('is cleared of a backend, then of a pool, a part at a time', () => {
    const log = world();
    for (let client = 0; client < 12; client++) pin(log, client, client % 2 === 0 ? 'b1' : 'b2');
    const clear = (backend?: string): void => {
      for (let partition = 0; partition < PIN_PARTITIONS_COUNT; partition++)
        log.run({ type: 'pins.clear', pool: 'api', partition, ...(backend === undefined ? {} : { backend }) });
    };
    clear('b1');
    expect(
      pages(log, 100)
        .flat()
        .map(({ backend }) => backend),
    ).toEqual(Array(6).fill('b2'));
    clear();
    expect(log.state.pins.size).toBe(0);
    expect([...log.state.audit.entries()].map(([, { target }]) => target)).toContain('sessions of api/b1');
  });

  it('is listed in pages, in an order that a copy of the table has, too', async () => {
    const log = world();
    for (let client = 0; client < 20; client++) pin(log, client, 'b1');
    for (let client = 0; client < 20; client += 3)
      log.run({ type: 'pins.delete', pool: 'api', session: `client-${client}` });
    const listed = pages(log, 4);
    expect(listed.map((page) => page.length)).toEqual([4, 4, 4, 1]);
    expect(new Set(listed.flat().map(({ key }) => key)).size).toBe(13);
    expect(pages(log, 100, 'none')).toEqual([[]]);
    const { chunks, digest, sizeBytes } = log.machine.capture();
    const conf = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const copy = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
    await copy.restore({ index: log.state.meta.index, term: 1, conf, digest, sizeBytes }, chunks);
    const reading = readSessions(copy.state, { limit: 100, cursor: '' });
    let step = reading.next();
    while (step.done !== true) step = reading.next();
    expect(step.value.items).toEqual(listed.flat());
    expect(checkState(copy.state)).toEqual([]);
  });

  it('is what the proxy threads read', () => {
    const log = world();
    pin(log, 7, 'b3');
    const reader = new PinReader(log.state.pins.memory ?? new SharedArrayBuffer(64));
    const nowS = Math.floor(log.nowMs / 1_000);
    expect(reader.get('api', 'client-7', nowS)?.backend).toBe(slotOf(log, 'b3'));
    expect(reader.get('api', 'client-7', nowS + 61)).toBeNull();
    expect(reader.get('api', 'client-8', nowS)).toBeNull();
  });
});

it('pins travel in 24 bytes each, and come back as they were', () => {
  const command = {
    v: 1,
    ...pinsPut([
      ['api', 1, 65_535],
      ['web', 2, 0],
    ]),
  } as const;
  const bytes = encodeCommand(command);
  expect(bytes.length).toBe(4 + 2 * 24);
  expect(decodeCommand(bytes)).toEqual({ ok: true, command });
  for (const broken of [bytes.subarray(0, 27), bytes.subarray(0, 2), bytes.subarray(0, 1)])
    expect(decodeCommand(broken).ok).toBe(false);
  expect(decodeCommand(Uint8Array.from([0x50, 2, 0, 0])).ok).toBe(false);
  expect(decodeCommand(new Uint8Array(4 + 24 * 5_000).fill(0x50, 0, 1).fill(1, 1, 2)).ok).toBe(false);
});

it('a large table is captured and restored in bounded slices while it is written, within its bytes', async () => {
  const log = world();
  let turns = 0;
  const large = new ClusterStateMachine({ pause: async () => void turns++ });
  large.apply(log.entries);
  let index = log.entries.length;
  const put = (from: number, count: number): void => {
    const pins = Array.from({ length: count }, (_, n) => ['api', from + n, slotOf(log, `b${(n % 3) + 1}`)] as const);
    const data = encodeCommand({ v: 1, ...pinsPut(pins) });
    index += 1;
    large.apply([{ index, term: 1, kind: 0, stampMs: log.nowMs, origin: 'n1#test', seq: index, data }]);
  };
  for (let from = 0; from < 60_000; from += 4_000) put(from, 4_000);
  const capturedIndex = index;
  const { chunks, digest, sizeBytes } = large.capture();
  const slices: Uint8Array[] = [];
  for await (const slice of chunks) {
    slices.push(slice);
    put(60_000 + slices.length * 1_000, 1_000);
  }
  expect(slices.length).toBeGreaterThan(7);
  expect(Math.max(...slices.map((slice) => slice.length))).toBeLessThanOrEqual(262_144);
  expect(slices.reduce((sum, slice) => sum + slice.length, 0)).toBe(sizeBytes);
  const conf = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const copy = new ClusterStateMachine({ pause: async () => void turns++ });
  turns = 0;
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield Buffer.concat(slices);
  }
  await copy.restore({ index: capturedIndex, term: 1, conf, digest, sizeBytes }, whole());
  expect([copy.state.pins.size, copy.digest()]).toEqual([60_000, digest]);
  expect(turns).toBe(Math.ceil(sizeBytes / 65_536));
  expect((copy.state.pins.memory?.byteLength ?? 0) / copy.state.pins.maxCount).toBeLessThanOrEqual(64);
});
