/** Which failed tries are followed by another, and that the others never are. */
import { describe, expect, test } from 'vitest';
import type { RetrySpec } from '@flotilla/shared';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { startBackend, startProxy } from '../testing/http-bed.ts';
import { OK_RESPONSE, rawClient, rawRequest } from '../testing/raw-tcp.ts';
import type { RawPeer } from '../testing/raw-tcp.ts';

const get = (target = '/') => `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
const post = (body: string, fields = '') =>
  `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const KEY = 'Idempotency-Key: "8e03978e"\r\n';
const retry = (on: RetrySpec['on'], more: Partial<RetrySpec> = {}): { retry: RetrySpec } => ({
  retry: { attempts: 2, on, budgetRatio: 1, budgetMinCount: 10, ...more },
});
const named = (name: string) => () => `HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`;
const cut = (_: number, peer: RawPeer) => {
  peer.socket.destroy();
  return null;
};
const failing = (status: number) => () => `HTTP/1.1 ${status} No\r\nContent-Length: 3\r\n\r\nbad`;

describe('nothing was sent', () => {
  test('any method goes to another backend at once, and the dead one is passed over', async () => {
    const [dead = 0] = await freePorts(1);
    const alive = await startBackend(named('alive'));
    const proxy = await startProxy([dead, alive.port]);
    for (let count = 0; count < 4; count++) {
      expect(await rawRequest(proxy.port, post('some body'))).toMatch(/\r\n\r\nalive$/);
      expect(await rawRequest(proxy.port, get())).toMatch(/\r\n\r\nalive$/);
    }
    expect(alive.received.match(/some body/g)).toHaveLength(4);
    const { suspectUntilMs } = proxy.backend('app', 'b1').runtime;
    expect(suspectUntilMs).toBeGreaterThan(performance.now());
    expect(proxy.stats.snapshot().retries).toContainEqual(['app', 'connect-failure', expect.any(Number)]);
  });

  test('with a body too large to keep', async () => {
    const [dead = 0] = await freePorts(1);
    const alive = await startBackend(named('alive'));
    const proxy = await startProxy([dead, alive.port]);
    const body = 'x'.repeat(500_000);
    expect(await rawRequest(proxy.port, post(body))).toMatch(/\r\n\r\nalive$/);
    expect(await rawRequest(proxy.port, post(body))).toMatch(/\r\n\r\nalive$/);
    expect(alive.received.split(body)).toHaveLength(3);
  });

  test('nobody is left: 502 with the reason, and nothing is counted as in flight', async () => {
    const ports = await freePorts(2);
    const proxy = await startProxy(ports);
    expect(await rawRequest(proxy.port, get())).toMatch(
      /^HTTP\/1\.1 502 [^]*X-Flotilla-Error: upstream-connect-failure/,
    );
    expect(proxy.backend('app', 'b1').runtime.inFlight()).toBe(0);
    expect(proxy.backend('app', 'b2').runtime.inFlight()).toBe(0);
  });

  test('no backend at all: 503', async () => {
    const proxy = await startProxy([]);
    expect(await rawRequest(proxy.port, get())).toMatch(
      /^HTTP\/1\.1 503 [^]*X-Flotilla-Error: no-backend[^]*Retry-After/,
    );
  });
});

describe('a stale connection', () => {
  /** Serves one request per connection and resets it on the next. */
  const once = (request: number, peer: RawPeer) => (request === 0 ? OK_RESPONSE : cut(request, peer));

  test('is replaced once for an idempotent request, whatever the policy', async () => {
    const backend = await startBackend(once);
    const proxy = await startProxy([backend.port], { pool: retry([], { attempts: 0 }) });
    const client = await rawClient(proxy.port);
    for (let count = 1; count <= 4; count++) {
      client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`);
      await client.until(`answer ${count}`, (received) => received.split('\r\n\r\nok').length === count + 1);
    }
    expect(client.received).not.toContain('502');
    expect(proxy.stats.snapshot().retries).toContainEqual(['app', 'stale-connection', expect.any(Number)]);
  });

  test('fails a request that is not', async () => {
    const backend = await startBackend(once);
    const proxy = await startProxy([backend.port]);
    await rawRequest(proxy.port, get());
    expect(await rawRequest(proxy.port, post('x'))).toMatch(/^HTTP\/1\.1 502 [^]*upstream-reset/);
  });

  test('does not fail one with an Idempotency-Key', async () => {
    const backend = await startBackend(once);
    const proxy = await startProxy([backend.port], { pool: retry([], { attempts: 0 }) });
    await rawRequest(proxy.port, get());
    expect(await rawRequest(proxy.port, post('x', KEY))).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('after the request was sent', () => {
  test('reset: an idempotent request goes to another backend where the pool says so', async () => {
    const bad = await startBackend(cut);
    const good = await startBackend(named('good'));
    const proxy = await startProxy([bad.port, good.port], { pool: retry(['reset']) });
    for (let count = 0; count < 3; count++) expect(await rawRequest(proxy.port, get())).toMatch(/\r\n\r\ngood$/);
    const by502 = await startProxy([bad.port, good.port], { pool: retry([502]) });
    for (let count = 0; count < 2; count++) expect(await rawRequest(by502.port, get())).toMatch(/\r\n\r\ngood$/);
    const without = await startProxy([bad.port], { pool: retry(['connect-failure']) });
    expect(await rawRequest(without.port, get())).toMatch(/^HTTP\/1\.1 502 /);
  });

  test('reset: a POST with an Idempotency-Key counts as idempotent, with its body, and one without a key does not', async () => {
    const bad = await startBackend(cut);
    const good = await startBackend(named('good'));
    const proxy = await startProxy([bad.port, good.port], { pool: retry(['reset']) });
    for (let count = 0; count < 4; count++)
      expect(await rawRequest(proxy.port, post('with a key', KEY))).toMatch(/\r\n\r\ngood$/);
    expect(bad.received).toContain('with a key');
    expect(good.received.match(/Idempotency-Key: "8e03978e"\r\n[^]*?\r\n\r\nwith a key/g)).toHaveLength(4);
    const alone = await startProxy([bad.port], { pool: retry(['reset']) });
    expect(await rawRequest(alone.port, post('x', 'Idempotency-Key: \r\n'))).toMatch(/^HTTP\/1\.1 502 /);
    expect(bad.received.match(/\r\n\r\nx/g)).toHaveLength(1);
  });

  test('a body too large to keep is not sent twice, key or not', async () => {
    const bad = await startBackend(cut);
    const good = await startBackend(named('good'));
    const proxy = await startProxy([bad.port, good.port], { pool: retry(['reset']) });
    const body = 'x'.repeat(300_000);
    const answers = [await rawRequest(proxy.port, post(body, KEY)), await rawRequest(proxy.port, post(body, KEY))];
    expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 502 '))).toHaveLength(1);
    expect(good.received.split(body)).toHaveLength(2);
  });

  test('status: another backend, and the answer itself where there is no other', async () => {
    const bad = await startBackend(failing(503));
    const good = await startBackend(named('good'));
    const proxy = await startProxy([bad.port, good.port], { pool: retry([503]) });
    for (let count = 0; count < 4; count++) expect(await rawRequest(proxy.port, get())).toMatch(/\r\n\r\ngood$/);
    const alone = await startProxy([bad.port], { pool: retry([503]) });
    expect(await rawRequest(alone.port, get())).toMatch(/^HTTP\/1\.1 503 No\r\n[^]*\r\n\r\nbad$/);
    expect(await rawRequest(proxy.port, post('x'))).toMatch(/^HTTP\/1\.1 (503|200)/);
  });

  test('a POST is never sent twice', async () => {
    const bad = await startBackend(failing(503));
    const proxy = await startProxy([bad.port, bad.port], { pool: retry([502, 503, 'reset', 'timeout']) });
    expect(await rawRequest(proxy.port, post('once'))).toMatch(/^HTTP\/1\.1 503 No/);
    expect(bad.received.match(/once/g)).toHaveLength(1);
  });

  test('no more tries than the pool allows, nor than its budget', async () => {
    const bad = await startBackend(failing(503));
    const ports = [bad.port, bad.port, bad.port, bad.port];
    const proxy = await startProxy(ports, { pool: retry([503], { attempts: 2 }) });
    await rawRequest(proxy.port, get());
    expect(bad.received.match(/GET/g)).toHaveLength(3);
    const poor = await startBackend(failing(503));
    const budgeted = await startProxy([poor.port, poor.port], {
      pool: retry([503], { attempts: 1, budgetRatio: 0, budgetMinCount: 1 }),
    });
    for (let count = 0; count < 4; count++) await rawRequest(budgeted.port, get());
    expect(poor.received.match(/GET/g)).toHaveLength(5);
  });

  test('a backend that takes too long for its head: another, or 504', async () => {
    const slow = await startBackend(() => null);
    const good = await startBackend(named('good'));
    const upstream = { responseTimeoutMs: 60 };
    const proxy = await startProxy([slow.port, good.port], { pool: retry(['timeout']), upstream });
    for (let count = 0; count < 2; count++) expect(await rawRequest(proxy.port, get())).toMatch(/\r\n\r\ngood$/);
    const alone = await startProxy([slow.port], { upstream });
    expect(await rawRequest(alone.port, get())).toMatch(/^HTTP\/1\.1 504 [^]*upstream-timeout/);
  });

  test('an answer that has begun is not followed by another', async () => {
    const half = await startBackend((_, peer) => {
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
      return null;
    });
    const good = await startBackend(named('good'));
    const proxy = await startProxy([half.port, good.port], { pool: retry(['reset', 502]) });
    const client = await rawClient(proxy.port);
    client.send(get());
    await client.until('the beginning', (received) => received.includes('abc') || received.includes('good'));
    if (client.received.includes('good')) return;
    (await half.peer()).socket.destroy();
    await waitFor('the end', () => client.closed || client.ended);
    expect(client.received).not.toContain('good');
  });
});

test('errors in a row are reported once they reach the pool’s limit, and a success forgets them', async () => {
  let status = 500;
  const backend = await startBackend(() => `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`);
  const proxy = await startProxy([backend.port], {
    pool: { outlier: { consecutiveErrors: 3, baseEjectionMs: 1, maxEjectedRatio: 1 } },
  });
  await rawRequest(proxy.port, get());
  await rawRequest(proxy.port, get());
  expect(proxy.outliers).toHaveLength(0);
  await rawRequest(proxy.port, get());
  expect(proxy.outliers).toHaveLength(1);
  status = 200;
  await rawRequest(proxy.port, get());
  expect(proxy.backend('app', 'b1').runtime.consecutiveErrors).toBe(0);
});
