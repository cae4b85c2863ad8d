/** The pin table: against a plain map, and read by real threads while it is written. */
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  backendOf,
  bytesFor,
  CELL,
  cellsFor,
  cellState,
  encodeKey,
  encodeShownKey,
  hashWords,
  HEADER,
  homeCell,
  keyText,
  newPinKey,
  seqOf,
} from './layout.ts';
import { PIN_RECORD_BYTES } from './pin-capture.ts';
import { PinReader } from './pin-reader.ts';
import { PinWriter } from './pin-writer.ts';

function keyOf(pool: string, key: string) {
  const out = newPinKey();
  encodeKey(pool, key, out);
  return out;
}

describe('keys', () => {
  it('have the same hash in every version: what a tick sweeps depends on it, on every node', () => {
    const hashes = ['', 'abc', '203.0.113.255', 'a key of more than fifteen bytes'].map(
      (key) => keyOf('api', key).hash,
    );
    expect(hashes).toEqual([1_984_857_758, 1_005_263_035, 654_075_240, 4_257_769_086]);
  });

  it.each(['', 'a', '203.0.113.255', 'fifteen-letters', 'ä€'])('short keys are kept as given: %s', (text) => {
    expect(keyText(keyOf('p', text).words)).toBe(text);
  });
  it.each(['', 'a', 'abc', 'abcd', 'eleven char', 'twelve chars', 'fifteen letters'])(
    '%s: its words are its bytes',
    (text) => {
      const key = keyOf('p', text);
      const bytes = new Uint8Array(16);
      bytes.set(new TextEncoder().encode(text));
      bytes[15] = text.length;
      expect([...key.bytes]).toEqual([...bytes]);
      expect(key.hash).toBe(hashWords({ pool: key.pool, words: new Int32Array(bytes.buffer) }));
    },
  );

  it('long keys are shown as a hash that finds them again', () => {
    const key = keyOf('p', 'a key of more than fifteen bytes');
    const again = newPinKey();
    encodeShownKey('p', keyText(key.words), again);
    expect([...again.words]).toEqual([...key.words]);
    expect(again.hash).toBe(key.hash);
  });
  it('the same key in two pools is two pins', () => {
    const writer = new PinWriter(10);
    writer.set(keyOf('a', 'k'), { backend: 1, expiresS: 9, revision: 1 });
    writer.set(keyOf('b', 'k'), { backend: 2, expiresS: 9, revision: 1 });
    const reader = new PinReader(writer.memory);
    expect(reader.get('a', 'k', 0)?.backend).toBe(1);
    expect(reader.get('b', 'k', 0)?.backend).toBe(2);
  });
});

it('a pin costs at most 64 bytes', () => {
  expect(bytesFor(cellsFor(1_000_000)) / 1_000_000).toBeLessThanOrEqual(64);
});

it('an expired pin is not found', () => {
  const writer = new PinWriter(10);
  writer.set(keyOf('p', 'k'), { backend: 1, expiresS: 100, revision: 7 });
  const reader = new PinReader(writer.memory);
  expect(reader.get('p', 'k', 99)).toEqual({ backend: 1, expiresS: 100, revision: 7 });
  expect(reader.get('p', 'k', 100)).toBeNull();
});

it('a full table refuses new pins and still replaces old ones', () => {
  const writer = new PinWriter(5);
  const accepted = Array.from({ length: 50 }, (_, n) =>
    writer.set(keyOf('p', `${n}`), { backend: n, expiresS: 9, revision: 1 }),
  );
  expect(accepted.filter(Boolean).length).toBe(writer.count);
  expect(accepted).toContain(false);
  expect(writer.set(keyOf('p', '0'), { backend: 77, expiresS: 9, revision: 2 })).toBe(true);
  expect(new PinReader(writer.memory).get('p', '0', 0)?.backend).toBe(77);
});

it.each([
  ['with room', 60],
  ['that is full, where runs go round the end', 7],
])('a table %s behaves as a map does, whatever is set, deleted and swept', (_what, pinsMax) => {
  const step = fc.record({
    op: fc.constantFrom('set', 'set', 'set', 'set', 'delete', 'delete', 'delete', 'sweep'),
    key: fc.nat(40),
    backend: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const writer = new PinWriter(pinsMax);
      const reader = new PinReader(writer.memory);
      const expected = new Map<number, number>();
      let surprises = 0;
      for (const { op, key, backend } of steps) {
        if (op === 'set') {
          const isSet = writer.set(keyOf('p', `${key}`), { backend, expiresS: 9, revision: 1 });
          if (isSet) expected.set(key, backend);
          if (!isSet && (expected.has(key) || expected.size < pinsMax)) surprises += 1;
        } else if (op === 'delete') {
          if (writer.delete(keyOf('p', `${key}`)) !== expected.delete(key)) surprises += 1;
        } else {
          for (let part = 0; part < 8; part += 1) {
            writer.scan(part * 2 ** 29, (part + 1) * 2 ** 29, (pin) => pin.backend === backend);
          }
          for (const [known, value] of expected) if (value === backend) expected.delete(known);
        }
        expect(writer.count).toBe(expected.size);
      }
      expect(surprises).toBe(0);
      for (let key = 0; key <= 40; key += 1) {
        expect(reader.get('p', `${key}`, 0)?.backend).toBe(expected.get(key));
      }
      let visited = 0;
      writer.scan(0, 2 ** 32, () => {
        visited += 1;
        return false;
      });
      expect(visited).toBe(expected.size);
    }),
  );
});

it('a run of cells that goes round the end of the table loses nobody, whoever of it goes first', () => {
  const { cells } = new PinWriter(7);
  const all = Array.from({ length: 400 }, (_, n) => `${n}`);
  const atHome = (cell: number, count: number) =>
    all.filter((key) => homeCell(keyOf('p', key).hash, cells) === cell).slice(0, count);
  const run = [...atHome(cells - 2, 3), ...atHome(0, 2), ...atHome(2, 1)];
  expect(run).toHaveLength(6);
  for (const first of run) {
    for (const second of run.filter((key) => key !== first)) {
      const writer = new PinWriter(7);
      const reader = new PinReader(writer.memory);
      for (const key of run) writer.set(keyOf('p', key), { backend: Number(key), expiresS: 9, revision: 1 });
      for (const gone of [first, second]) writer.delete(keyOf('p', gone));
      const found = run.filter((key) => reader.get('p', key, 0)?.backend === Number(key));
      expect(found).toEqual(run.filter((key) => key !== first && key !== second));
    }
  }
});

it('a capture is of its moment, whatever is written while it is read', () => {
  const writer = new PinWriter(5_000);
  const pinOf = (n: number) => ({ backend: n, expiresS: n + 1, revision: n });
  for (let n = 0; n < 3_000; n += 1) writer.set(keyOf('p', `${n}`), pinOf(n));
  const captures = [writer.capture(), writer.capture()] as const;
  for (const [turn, capture] of captures.entries()) {
    const seen = new Set<number>();
    expect(capture.count).toBe(3_000);
    for (const slice of capture.slices()) {
      const view = new DataView(slice.buffer, slice.byteOffset, slice.byteLength);
      for (let at = 0; at < slice.length; at += PIN_RECORD_BYTES) {
        const backend = view.getInt32(at + 20, true);
        expect([view.getInt32(at + 24, true), view.getInt32(at + 28, true)]).toEqual([backend + 1, backend]);
        seen.add(backend);
      }
      for (let n = 0; n < 3_000; n += 2) writer.delete(keyOf('p', `${n}`));
      for (let n = 0; n < 1_000; n += 1) writer.set(keyOf('p', `new-${turn}-${n}`), pinOf(9_000 + n));
    }
    expect(seen.size).toBe(3_000);
    expect(Math.max(...seen)).toBe(2_999);
  }
});

it('a writer that died in mid-write costs one wait, and only the pin that it was at', () => {
  const writer = new PinWriter(10);
  for (const key of ['whole', 'torn']) writer.set(keyOf('p', key), { backend: 1, expiresS: 9, revision: 1 });
  const words = new Int32Array(writer.memory);
  const reader = new PinReader(writer.memory);
  const at = [...Array(writer.cells).keys()]
    .map((cell) => HEADER.words + cell * CELL.words)
    .find((cell) => words[cell + CELL.state] !== 0 && words[cell + CELL.key] === keyOf('p', 'torn').words[0]);
  const state = (at ?? 0) + CELL.state;
  Atomics.add(words, state, cellState(1, 0));
  Atomics.add(words, HEADER.moves, 1);
  // A thousand waits would outlast the time of a test.
  for (let turn = 0; turn < 1_000; turn += 1) expect(reader.get('p', 'whole', 0)?.backend).toBe(1);
  for (let turn = 0; turn < 1_000; turn += 1) expect(reader.get('p', 'torn', 0)).toBeNull();
  Atomics.add(words, HEADER.moves, 1);
  Atomics.add(words, state, cellState(1, 0));
  expect(reader.get('p', 'torn', 0)?.backend).toBe(1);
});

it('a cell that was written 32,767 times begins to count again, and never looks empty', () => {
  const writer = new PinWriter(10);
  const words = new Int32Array(writer.memory);
  const set = (backend: number) => writer.set(keyOf('p', 'k'), { backend, expiresS: 9, revision: 1 });
  set(0);
  const at = [...Array(writer.cells).keys()]
    .map((cell) => HEADER.words + cell * CELL.words + CELL.state)
    .find((cell) => words[cell] !== 0) as number;
  Atomics.store(words, at, cellState(0xfffa, 0));
  for (const backend of [1, 65_535, 0, 65_534, 2, 3]) {
    set(backend);
    expect(seqOf(words[at] ?? 0)).toBeGreaterThan(0);
    expect(seqOf(words[at] ?? 0) % 2).toBe(0);
    expect(backendOf(words[at] ?? 0)).toBe(backend);
    expect(new PinReader(writer.memory).get('p', 'k', 0)?.backend).toBe(backend);
  }
  expect(writer.count).toBe(1);
});

it('captures that nobody reads are given up for newer ones', () => {
  const writer = new PinWriter(10);
  writer.set(keyOf('p', 'k'), { backend: 1, expiresS: 2, revision: 3 });
  const first = writer.capture();
  const newer = Array.from({ length: 4 }, () => writer.capture());
  expect(() => [...first.slices()]).toThrow(/given up/);
  expect(newer.map((capture) => [...capture.slices()].length)).toEqual([1, 1, 1, 1]);
});

it('readers in other threads never see a torn pin, nor miss one that is always there', async () => {
  // Nearly full, so that pins stand beside their homes and move when another one goes.
  const writer = new PinWriter(510);
  // Kept pins obey backend === revision === expiresS - 1; churned ones make cells move all the time.
  const kept = Array.from({ length: 300 }, (_, n) => keyOf('p', `kept-${n}`));
  const churned = Array.from({ length: 200 }, (_, n) => keyOf('p', `churn-${n}`));
  let round = 1;
  const setAll = (): void => {
    round = (round % 60_000) + 1;
    for (const key of kept) writer.set(key, { backend: round, expiresS: round + 1, revision: round });
  };
  setAll();
  const readers = [0, 1].map(
    () =>
      new Worker(new URL('./testing/reader-thread.ts', import.meta.url), {
        workerData: { memory: writer.memory, keys: 300 },
      }),
  );
  const reports = readers.map(
    (worker) =>
      new Promise<{ reads: number; torn: number; missed: number }>((done, failed) => {
        worker.once('message', done);
        worker.once('error', failed);
      }),
  );
  let running = true;
  void Promise.all(reports).finally(() => (running = false));
  // By turns: the kept ones are written, which may tear, and others come and go, which moves the kept ones.
  while (running) {
    for (let n = 0; n < 50; n += 1) setAll();
    for (let n = 0; n < 10_000; n += 1) {
      const key = churned[n % churned.length]!;
      if (!writer.delete(key)) writer.set(key, { backend: 1, expiresS: 2, revision: 1 });
    }
    await new Promise((turn) => setImmediate(turn));
  }
  for (const report of await Promise.all(reports)) {
    expect(report).toMatchObject({ torn: 0, missed: 0 });
    expect(report.reads).toBe(1_000_000);
  }
  await Promise.all(readers.map(async (worker) => worker.terminate()));
});
