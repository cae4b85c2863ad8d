/** What must hold for every log: total, deterministic, all or nothing, and the same through a snapshot. */
import fc from 'fast-check';
import type { Entry } from '@flotilla/raft';
import { describe, expect, it } from 'vitest';
import { checkState } from './check-state.ts';
import { ClusterStateMachine, compileRouting } from './index.ts';
import { step, WORLD } from './testing/arbitrary.ts';
import { TEST_PINS_MAX_COUNT, TestLog } from './testing/log.ts';

const EMPTY_CONF = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
/** Long enough for commands to meet; by itself the library would try a handful at a time. */
const steps = fc.array(step, { maxLength: 60, size: 'max' });

type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never;

function play(list: Steps, after: (log: TestLog) => void = () => {}): TestLog {
  const log = new TestLog();
  for (const command of WORLD) log.run(command);
  for (const { command, waitMs } of list) {
    log.pass(waitMs);
    log.run(command);
    after(log);
  }
  return log;
}

/** Everything that a reader can see, but the index and time that every entry brings. */
function contents(log: TestLog): string {
  const { meta, pins, derived: _derived, ...tables } = log.state as typeof log.state & { readonly derived: unknown };
  const { index: _index, logTimeMs: _logTimeMs, ...rest } = meta;
  return JSON.stringify([
    rest,
    pins.pins(),
    Object.entries(tables).map(([name, table]) => [name, [...table.entries()]]),
  ]);
}

async function restored(machine: ClusterStateMachine): Promise<ClusterStateMachine> {
  const { sizeBytes, digest, chunks } = machine.capture();
  const copy = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
  const meta = { index: machine.state.meta.index, term: 1, conf: EMPTY_CONF, digest, sizeBytes };
  await copy.restore(meta, chunks);
  return copy;
}

describe('every log', () => {
  it('keeps the invariants of the state after each entry', () => {
    fc.assert(
      fc.property(steps, (list) => {
        // TestLog throws at the first entry that breaks one.
        expect(play(list).entries).toHaveLength(WORLD.length + list.length);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves the state as it was where a command is refused', () => {
    const touched: string[] = [];
    let refusals = 0;
    fc.assert(
      fc.property(steps, (list) => {
        let before = '';
        play(list, (log) => {
          const after = contents(log);
          const result = log.applied.at(-1)?.results[0];
          // A key keeps the answer of the refusal, which is all that may change.
          if (result?.ok === false && before !== '' && !lastHasKey(log)) {
            refusals++;
            if (after !== before) touched.push(result.message);
          }
          before = after;
        });
        expect(touched).toEqual([]);
      }),
      { numRuns: 60 },
    );
    expect(refusals).toBeGreaterThan(50);
  });

  it('leads to the same state, digest and routing in batches of any size', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (list, sizes) => {
        const log = play(list);
        const batched = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
        for (let at = 0, turn = 0; at < log.entries.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          batched.apply(log.entries.slice(at, at + size));
          at += size;
        }
        expect(batched.digest()).toBe(log.machine.digest());
        expect(JSON.stringify(compileRouting(batched.state))).toBe(JSON.stringify(compileRouting(log.state)));
      }),
      { numRuns: 60 },
    );
  });

  it('leads there by way of a snapshot taken anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (list, cut) => {
        const log = play(list);
        const at = cut % log.entries.length;
        const first = new ClusterStateMachine({ pinsMaxCount: TEST_PINS_MAX_COUNT });
        first.apply(log.entries.slice(0, at));
        const second = await restored(first);
        expect(second.digest()).toBe(first.digest());
        expect(checkState(second.state)).toEqual([]);
        for (const entry of log.entries.slice(at)) second.apply([entry]);
        expect(second.digest()).toBe(log.machine.digest());
        expect(compileRouting(second.state)).toEqual(compileRouting(log.state));
      }),
      { numRuns: 60 },
    );
  });

  it('answers any bytes, and changes nothing for bytes that are no command', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc
        .record({ v: fc.constantFrom(1, 2), type: fc.constantFrom('tock', 'observe', '__proto__'), x: fc.anything() })
        .map((value) => new TextEncoder().encode(stringify(value))),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 20 }), (list) => {
        const log = play([]);
        const before = contents(log);
        for (const data of list) {
          const result = log.append(data);
          expect(result.ok ? 'BAD_REQUEST' : result.code).toBe('BAD_REQUEST');
          expect(contents(log)).toBe(before);
        }
        expect(checkState(log.state)).toEqual([]);
      }),
    );
  });
});

function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? one.toString() : one)) ?? '';
}

function lastHasKey(log: TestLog): boolean {
  const last = log.entries.at(-1);
  return last !== undefined && new TextDecoder().decode(last.data).includes('"key":"');
}

it('takes a command of any depth without a stack overflow', () => {
  const log = new TestLog();
  for (const text of [
    `{"v":1,"type":"config.replace","document":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
    `{"v":1,"type":"resource.patch","kind":"settings","name":"","patch":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
  ]) {
    expect(log.append(new TextEncoder().encode(text))).toMatchObject({ ok: false, code: 'BAD_REQUEST' });
  }
});

it('counts entries that carry no command', () => {
  const log = play([]);
  const digest = log.machine.digest();
  const kinds: Entry['kind'][] = [1, 2];
  for (const kind of kinds) log.append(new Uint8Array(), kind);
  expect(log.state.meta.index).toBe(log.entries.length);
  expect(log.machine.digest()).not.toBe(digest);
  expect(log.applied.at(-1)?.results).toEqual([undefined]);
});
