/** Sessions of every kind: pinned, kept through drains and detours, given up by the dead, strict or not. */
import { describe, expect, test } from 'vitest';
import type { AffinitySpec, BackendSpec } from '@flotilla/shared';
import { applyDelta } from '../config/apply-delta.ts';
import { buildTable } from '../config/build-table.ts';
import type { LiveTable } from '../config/build-table.ts';
import { privateCounts, RuntimeRegistry } from '../config/runtime-registry.ts';
import type { Backend } from '../config/table.ts';
import { backendSpec, poolSpec, routingSnapshot } from '../testing/snapshots.ts';
import { Affinity } from './affinity.ts';
import { MemoryPinTable } from './pin-table.ts';

const HOUR_MS = 3_600_000;

class Site {
  nowMs = 1_000;
  logNowMs = 1_700_000_000_000;
  table: LiveTable;
  readonly affinity: Affinity;
  readonly #spec: AffinitySpec;
  #index = 1;

  constructor(spec: Partial<AffinitySpec>, ids: readonly string[] = ['b1', 'b2', 'b3']) {
    this.#spec = { type: 'cookie', name: 'LB', ttlMs: HOUR_MS, strict: false, ...spec };
    const backends = ids.map((id, slot) => backendSpec(id, { slot }));
    const inputs = { nowMs: () => this.nowMs, logNowMs: () => this.logNowMs, random: () => 0 };
    const registry = new RuntimeRegistry(privateCounts(16));
    const pools = [poolSpec('app', { backends, affinity: this.#spec })];
    this.table = buildTable(routingSnapshot({ pools }), registry, inputs);
    this.affinity = new Affinity({ nowMs: () => this.nowMs, logNowMs: () => this.logNowMs });
  }

  backend(id: string): Backend {
    return this.table.pools.get('app')!.backend(id)!;
  }

  set(id: string, change: Partial<BackendSpec>): void {
    const { weight, state, verdict, upSinceMs } = { ...this.backend(id).spec, ...change };
    const head = { index: ++this.#index, revision: 1, logTimeMs: this.logNowMs };
    this.table = applyDelta(this.table, head, [{ pool: 'app', id, weight, state, verdict, upSinceMs }]);
  }

  ask(request: { cookie?: string; clientIp?: string; headers?: Record<string, string>; tried?: Backend[] } = {}) {
    const headers: Record<string, string> = { ...request.headers };
    if (request.cookie !== undefined) headers['cookie'] = request.cookie;
    const pick = {
      clientIp: request.clientIp ?? '10.0.0.1',
      path: '/',
      query: '',
      header: (name: string) => headers[name],
      tried: request.tried ?? [],
    };
    const session = { pick, isSecure: true, affinityKey: 'key' };
    const { backend, setCookie } = this.affinity.choose(this.table.pools.get('app')!, this.#spec, session);
    return { id: backend?.id ?? null, setCookie };
  }
}

/** `NAME=value` of a Set-Cookie line, as a client sends it back. */
function sentBack(setCookie: string): string {
  return setCookie.slice('Set-Cookie: '.length, setCookie.indexOf(';'));
}

describe('cookie', () => {
  test('is set once, with its attributes, and leads back', () => {
    const site = new Site({});
    const first = site.ask();
    expect(first.setCookie).toMatch(
      /^Set-Cookie: LB=b1\.[^;]+; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure\r\n$/,
    );
    for (let turn = 0; turn < 6; turn++)
      expect(site.ask({ cookie: `x=1; ${sentBack(first.setCookie)}` })).toEqual({ id: first.id, setCookie: '' });
  });

  test('is renewed when half its time is gone, and worthless when all is', () => {
    const site = new Site({});
    const first = site.ask();
    site.logNowMs += HOUR_MS * 0.6;
    const renewed = site.ask({ cookie: sentBack(first.setCookie) });
    expect(renewed.id).toBe(first.id);
    expect(renewed.setCookie).not.toBe('');
    site.logNowMs += HOUR_MS * 0.6;
    expect(site.ask({ cookie: sentBack(first.setCookie) }).id).not.toBe(first.id);
    expect(site.ask({ cookie: sentBack(renewed.setCookie) }).id).toBe(first.id);
  });

  test('forged, it is as good as none', () => {
    const site = new Site({});
    const answers = Array.from({ length: 6 }, () => site.ask({ cookie: 'LB=b3.zzzzzz.AAAAAAAAAAAAAAAAAAAAAA' }).id);
    expect(new Set(answers).size).toBe(3);
  });

  test('a draining backend keeps its sessions and gets no new ones', () => {
    const site = new Site({});
    const first = site.ask();
    site.set(first.id!, { state: 'draining' });
    expect(site.ask({ cookie: sentBack(first.setCookie) })).toEqual({ id: first.id, setCookie: '' });
    for (let turn = 0; turn < 6; turn++) expect(site.ask().id).not.toBe(first.id);
  });

  test.each([{ verdict: 'down' }, { verdict: 'ejected' }, { state: 'maintenance' }] as const)(
    'a backend with %o gives its sessions up, and they are pinned anew',
    (change) => {
      const site = new Site({});
      const first = site.ask();
      site.set(first.id!, change);
      const second = site.ask({ cookie: sentBack(first.setCookie) });
      expect(second.id).not.toBe(first.id);
      expect(sentBack(second.setCookie)).toContain(`LB=${second.id}.`);
    },
  );

  test('a failed try is a detour, not a new pin', () => {
    const site = new Site({});
    const first = site.ask();
    const cookie = sentBack(first.setCookie);
    const detour = site.ask({ cookie, tried: [site.backend(first.id!)] });
    expect(detour.id).not.toBe(first.id);
    expect(detour.setCookie).toBe('');
    site.backend(first.id!).runtime.suspectUntilMs = 2_000;
    expect(site.ask({ cookie }).id).not.toBe(first.id);
    site.nowMs = 2_001;
    expect(site.ask({ cookie }).id).toBe(first.id);
  });

  test('strict: nobody else, also when it is down or was tried', () => {
    const site = new Site({ strict: true });
    const first = site.ask();
    const cookie = sentBack(first.setCookie);
    expect(site.ask({ cookie, tried: [site.backend(first.id!)] }).id).toBeNull();
    site.set(first.id!, { verdict: 'down' });
    expect(site.ask({ cookie })).toEqual({ id: null, setCookie: '' });
    expect(site.ask().id).not.toBeNull();
  });
});

describe.each([
  ['source-ip', (key: number) => ({ clientIp: `10.0.0.${key}` })],
  ['header', (key: number) => ({ headers: { 'x-user': `user-${key}` } })],
  ['cookie-learn', (key: number) => ({ cookie: `X-User=user-${key}` })],
] as const)('%s', (type, request) => {
  const settings = { type, name: type === 'cookie-learn' ? 'X-User' : 'x-user' };
  const keys = Array.from({ length: 60 }, (_, key) => key);

  test('two nodes that never spoke agree on the first choice', () => {
    const [here, there] = [new Site(settings), new Site(settings, ['b3', 'b1', 'b2'])];
    const answers = keys.map((key) => here.ask(request(key)).id);
    expect(keys.map((key) => there.ask(request(key)).id)).toEqual(answers);
    expect(new Set(answers).size).toBe(3);
  });

  test('a pin holds when weights change, and through a drain; not through a death', () => {
    const site = new Site(settings);
    const before = keys.map((key) => site.ask(request(key)).id);
    site.set('b1', { weight: 1 });
    site.set('b2', { state: 'draining' });
    expect(keys.map((key) => site.ask(request(key)).id)).toEqual(before);
    site.set('b3', { verdict: 'down' });
    const after = keys.map((key) => site.ask(request(key)).id);
    expect(after.every((id, at) => (before[at] === 'b3' ? id === 'b1' : id === before[at]))).toBe(true);
  });
});

test('cookie-learn takes the session from the answer of the application', () => {
  const site = new Site({ type: 'cookie-learn', name: 'SESSION' });
  const pool = site.table.pools.get('app')!;
  site.affinity.learn(pool, site.backend('b2'), ['other=1', 'SESSION=abc; Path=/; HttpOnly']);
  site.affinity.learn(pool, site.backend('b3'), ['SESSION=def']);
  expect(site.ask({ cookie: 'SESSION=abc' }).id).toBe('b2');
  expect(site.ask({ cookie: 'a=b; SESSION=def' }).id).toBe('b3');
  site.logNowMs += HOUR_MS + 1;
  const [unpinned] = [site.ask({ cookie: 'SESSION=abc' }).id];
  expect(unpinned).toBe(new Site({ type: 'cookie-learn', name: 'SESSION' }).ask({ cookie: 'SESSION=abc' }).id);
});

test('the pin table forgets the oldest when it is full', () => {
  const pins = new MemoryPinTable(2);
  for (const key of ['a', 'b', 'c']) pins.set({ pool: 'app', key, backendId: 'b1', ttlMs: 100 }, 0);
  expect(['a', 'b', 'c'].map((key) => pins.get('app', key, 50))).toEqual([null, 'b1', 'b1']);
  expect(pins.get('app', 'c', 100)).toBeNull();
  expect(pins.size).toBe(2);
});
