/**
 * The API turned against itself: requests made from its own description, valid, nearly valid and hostile, as raw bytes.
 * Never a 500, never a stall, one form of error, and whatever is refused has changed nothing.
 *
 * A few seconds of it run with the other tests, always the same ones; FLOTILLA_FUZZ_MS makes it longer, and
 * FLOTILLA_FUZZ_SEED=N or =random takes others.
 */
import { ERROR_CODES, type ErrorCode } from '@flotilla/shared';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exchangeRaw, isCut, type RawAnswer } from '../testing/fuzz/raw-exchange.ts';
import { type FuzzRequest, operationsOf, requestArbitrary } from '../testing/fuzz/request-arbitrary.ts';
import { TestCluster, type TestNode } from '../testing/index.ts';

const FUZZ_MS = Number(process.env['FLOTILLA_FUZZ_MS'] ?? 8_000);
const GIVEN_SEED = process.env['FLOTILLA_FUZZ_SEED'] ?? '2026';
const SEED = GIVEN_SEED === 'random' ? Date.now() % 2 ** 31 : Number(GIVEN_SEED);
/** Longer than anything that the API waits for by itself: what exceeds it is a stall. */
const STALL_MS = 12_000;
const LIVE_EVERY_MS = 50;

const DOCUMENT = {
  listeners: [{ name: 'web', port: 8080, protocol: 'http', routes: [{ match: {}, pool: 'api' }] }],
  pools: [{ name: 'api', health: { protocol: 'none' }, backends: [{ id: 'b1', address: '10.0.0.1:80' }] }],
};
/** A stream that does not end, an answer that waits as long as it is told to, and what takes the only node away. */
const LEFT_OUT = [/^GET \/v1\/watch/, /^GET \/v1\/served/, /^DELETE \/v1\/members/, /^POST \/v1\/members/];

let cluster: TestCluster;
let node: TestNode;
beforeAll(async () => {
  cluster = new TestCluster({ seedConfig: DOCUMENT });
  [node] = (await cluster.start(1)) as [TestNode];
  await node.whenReady();
});
afterAll(() => cluster.close());

interface Change {
  readonly index: number;
  readonly source: string;
}

/** Everything that a change leaves a trace in, and the newest changes of the audit trail. */
async function trace(): Promise<{ readonly text: string; readonly changes: readonly Change[] }> {
  const audit = await node.ask('/v1/audit?limit=8');
  const { body } = await node.ask('/v1/config');
  const changes = audit.body.items as Change[];
  return { text: JSON.stringify([changes, audit.body.revision, body]), changes };
}

/**
 * Each request of some hundred comes from an address of its own, which the audit trail tells: what was cut off may be carried
 * out long after, and whoever comes next is not blamed for it. Elsewhere than on Linux there is only one such address.
 */
function sourceOf(count: number): string {
  return process.platform === 'linux' ? `127.0.1.${1 + (count % 250)}` : '127.0.0.1';
}

function judge(request: FuzzRequest, answer: RawAnswer): void {
  const what = `seed ${SEED}: ${request.method} ${request.target} → ${answer.status} ${answer.text.slice(0, 400)}`;
  expect(answer.status, what).not.toBe(500);
  // Cut off by us: there may be nobody to answer.
  if (answer.status === 0 && isCut(request)) return;
  expect(answer.status, what).toBeGreaterThanOrEqual(200);
  if (answer.status < 400 || request.method === 'HEAD' || request.target.startsWith('/ready')) return;
  const { error } = JSON.parse(answer.text) as { error: { code: ErrorCode; message: string; hint: string } };
  expect(ERROR_CODES[error.code]?.status, what).toBe(answer.status);
  expect(typeof error.message === 'string' && error.hint.length > 0, what).toBe(true);
}

it(
  'survives what its description allows and what it does not',
  async () => {
    const { body } = await node.ask('/openapi.json');
    const operations = operationsOf(body.paths).filter(
      ({ method, path }) => !LEFT_OUT.some((pattern) => pattern.test(`${method} ${path}`)),
    );
    expect(operations.length).toBeGreaterThan(35);
    const address = node.settings.apiListen;
    let slowestLiveMs = 0;
    const lives = setInterval(() => {
      const startedMs = performance.now();
      void node.ask('/live').then(
        () => (slowestLiveMs = Math.max(slowestLiveMs, performance.now() - startedMs)),
        () => (slowestLiveMs = Infinity),
      );
    }, LIVE_EVERY_MS);
    const byStatus = new Map<number, number>();
    let before = await trace();
    let count = 0;
    const property = fc.asyncProperty(requestArbitrary(operations), async (request) => {
      const localAddress = sourceOf((count += 1));
      const answer = await exchangeRaw({ ...address, localAddress }, request, STALL_MS);
      byStatus.set(answer.status, (byStatus.get(answer.status) ?? 0) + 1);
      judge(request, answer);
      if (request.method === 'GET') return;
      const [was, now] = [before, await trace()];
      before = now;
      if (answer.status < 400 || answer.status >= 500 || now.text === was.text) return;
      const what = `refused, and yet changed: ${JSON.stringify(request).slice(0, 2_000)}\n${now.text.slice(0, 2_000)}`;
      const known = was.changes[0]?.index ?? 0;
      const news = now.changes.filter(({ index }) => index > known);
      expect(news.length > 0 && news.every(({ source }) => source !== localAddress), what).toBe(true);
    });
    try {
      await fc.assert(property, {
        seed: SEED,
        numRuns: 1_000_000,
        interruptAfterTimeLimit: FUZZ_MS,
        // A found fault is told at once, and made smaller for as long as the run may take.
        endOnFailure: false,
      });
    } finally {
      clearInterval(lives);
    }
    expect(slowestLiveMs, 'the loop was stalled').toBeLessThan(STALL_MS);
    expect([...byStatus.keys()], JSON.stringify([...byStatus])).toEqual(expect.arrayContaining([200, 400, 404, 422]));
    expect((Object.prototype as Record<string, unknown>)['polluted']).toBeUndefined();
    expect((await node.ask('/live')).status).toBe(200);
  },
  FUZZ_MS + 60_000,
);

const found: readonly (readonly [
  string,
  Pick<FuzzRequest, 'method' | 'target' | 'headers' | 'body'>,
  readonly number[],
])[] = [
  [
    'an object that has no text of its own',
    { method: 'PATCH', target: '/v1/pools/api/backends/b1', headers: [], body: '{"state":{"toString":1}}' },
    [422],
  ],
  ['an expectation that nobody meets', { method: 'GET', target: '/live', headers: [['expect', 'x']], body: '' }, [400]],
  ['a head that is no HTTP', { method: 'GET', target: '/live', headers: [['a b', 'c']], body: '' }, [400]],
  [
    'a transfer coding that is none: one answer, or none, but never two',
    { method: 'GET', target: '/v1/config', headers: [['transfer-encoding', 'identity']], body: '' },
    [0, 200, 400],
  ],
];

it.each(found)('was found by it: %s', async (_name, request, statuses) => {
  const headers = [...request.headers, ['content-type', 'application/json'] as const];
  const answer = await exchangeRaw(node.settings.apiListen, { ...request, headers, sentRatio: 1 }, STALL_MS);
  expect(statuses).toContain(answer.status);
  expect(() => JSON.parse(answer.text === '' ? '{}' : answer.text) as unknown).not.toThrow();
});
