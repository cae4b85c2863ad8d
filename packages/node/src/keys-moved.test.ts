/** What a dry run says of keys that move, against what the data plane really does with thousands of keys. */
import { type ConfigCommand, compileRouting, previewConfigCommand } from '@flotilla/controlplane/state';
import { TestLog } from '@flotilla/controlplane/testing';
import { explain } from '@flotilla/dataplane/table';
import type { RoutingSnapshot } from '@flotilla/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const KEYS_COUNT = 1_500;
/** Five standard deviations of a share among so many keys. */
const TOLERANCE = 5 * Math.sqrt(0.25 / KEYS_COUNT);

interface Backend {
  readonly weight: number;
  readonly state?: string;
  readonly priority?: number;
}

function document(backends: Readonly<Record<string, Backend>>, pool: object): object {
  return {
    listeners: [{ name: 'web', port: 80, protocol: 'http', routes: [{ pool: 'api' }] }],
    pools: [
      {
        name: 'api',
        ...pool,
        health: { protocol: 'none' },
        backends: Object.entries(backends).map(([id, one], at) => ({ id, address: `10.0.0.${at + 1}:80`, ...one })),
      },
    ],
  };
}

function choices(snapshot: RoutingSnapshot): (string | null)[] {
  return Array.from({ length: KEYS_COUNT }, (_, at) => {
    const headers = [{ name: 'x-user', value: `user-${at}` }];
    const request = { listener: 'web', method: 'GET', host: '', path: '/', clientIp: '127.0.0.1', headers };
    return explain(snapshot, request)?.pools[0]?.choice ?? null;
  });
}

/** What was said, and what happened. */
function moved(before: object, after: object): { readonly said: number; readonly found: number } {
  const log = new TestLog();
  log.run({ type: 'config.replace', document: before });
  const from = choices(compileRouting(log.state));
  const change = { type: 'config.replace', document: after } as const;
  const preview = previewConfigCommand(log.state, { v: 1, ...change } as ConfigCommand);
  log.run(change);
  const to = choices(compileRouting(log.state));
  const found = from.filter((backend, at) => backend !== to[at]).length / KEYS_COUNT;
  return { said: preview.ok ? (preview.diff.impact.keysMoved[0]?.ratio ?? 0) : -1, found };
}

const SESSIONS = { affinity: { type: 'header', name: 'x-user', ttlMs: 60_000 } };
const HASHED = { algorithm: 'rendezvous', hash: { on: 'header:x-user' } };
const three = { b1: { weight: 100 }, b2: { weight: 100 }, b3: { weight: 100 } };

describe('the share of keys that move', () => {
  it.each([
    ['a fourth backend takes a quarter', three, { ...three, b4: { weight: 100 } }, 0.25],
    ['one of three that leaves gives its third', three, { b1: { weight: 100 }, b2: { weight: 100 } }, 0.3333],
    ['so does one that is drained', three, { ...three, b3: { weight: 100, state: 'draining' } }, 0.3333],
    ['all weights doubled move nothing', three, { b1: { weight: 200 }, b2: { weight: 200 }, b3: { weight: 200 } }, 0],
    ['a backup tier moves nothing', three, { ...three, b4: { weight: 100, priority: 1 } }, 0],
    ['other backends have all of them', three, { c1: { weight: 1 }, c2: { weight: 1 } }, 1],
  ] as const)('%s', (_what, before, after, ratio) => {
    const { said, found } = moved(document(before, HASHED), document(after, HASHED));
    expect(said).toBe(ratio);
    expect(Math.abs(found - said)).toBeLessThan(TOLERANCE);
  });

  it('is that of independent choices where the key is another one', () => {
    const { said, found } = moved(document(three, SESSIONS), document(three, HASHED));
    expect(said).toBe(0.6667);
    // Both are rendezvous over the same key here, which is the one case where it is less.
    expect(found).toBeLessThanOrEqual(said + TOLERANCE);
  });

  it('holds for any weights before and after', () => {
    const weights = fc.dictionary(fc.constantFrom('b1', 'b2', 'b3', 'b4', 'b5'), fc.integer({ min: 0, max: 1_000 }), {
      minKeys: 1,
    });
    const backends = weights.map((all) =>
      Object.fromEntries(Object.entries(all).map(([id, weight]) => [id, { weight }])),
    );
    const usable = (all: Readonly<Record<string, Backend>>) => Object.values(all).some(({ weight }) => weight > 0);
    fc.assert(
      fc.property(backends.filter(usable), backends.filter(usable), fc.constantFrom(SESSIONS, HASHED), (a, b, pool) => {
        const { said, found } = moved(document(a, pool), document(b, pool));
        expect(Math.abs(found - said)).toBeLessThan(TOLERANCE);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('is not told of pools where load or chance decides', () => {
    expect(moved(document(three, {}), document({ b1: { weight: 1 } }, {})).said).toBe(0);
  });
});
