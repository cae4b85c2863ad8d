/** A thread that stays behind refuses work, one that was held up once does not. */
import { Agent } from 'node:http';
import { expect, test } from 'vitest';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { bed, get } from '../testing/http-bed.ts';
import { httpGet, startHttpBackend } from '../testing/http-backend.ts';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import { rawRequest } from '../testing/raw-tcp.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';
import { Overload } from './overload.ts';
import { Timers } from './timers.ts';

const CLIENTS = 200;

const after = (...delaysMs: number[]): number => {
  const overload = new Overload();
  for (const delayMs of delaysMs) overload.note(delayMs);
  return overload.shedRatio;
};

test.each([
  ['on time', [0, 1, 20, 3, 0, 5], 0],
  ['one pause of half a minute', [1, 30_000, 1, 2, 1], 0],
  ['two pauses in a row', [1, 5_000, 5_000, 1, 2], 0],
  ['late, but not too late', [1_900, 1_900, 1_900, 1_900, 1_900], 0],
  ['behind', [6_000, 7_000, 8_000, 6_000, 9_000], 0.5],
  ['far behind', [50_000, 50_000, 50_000, 50_000, 50_000], 1],
  ['behind no more', [9_000, 9_000, 9_000, 9_000, 9_000, 10], 0],
])('%s', (_, delaysMs, ratio) => {
  expect(after(...delaysMs)).toBeCloseTo(ratio);
});

test('the timers of a thread tell how late they are', () => {
  let nowMs = 0;
  const delays: number[] = [];
  const timers = new Timers(
    () => nowMs,
    (delayMs) => delays.push(delayMs),
  );
  for (const stepMs of [20, 20, 320, 20]) {
    nowMs += stepMs;
    timers.advance();
  }
  expect(delays).toEqual([0, 0, 300, 0]);
});

test('what is refused says so and when to come back; nothing of it reaches a backend', async () => {
  const { proxy, backend, port } = await bed();
  proxy.shedRatio = 1;
  const answer = await rawRequest(port, get());
  expect(answer).toMatch(/^HTTP\/1\.1 503 [^]*X-Flotilla-Error: overload\r\n[^]*Retry-After: 1\r\n/);
  expect(backend.received).toBe('');
  expect(proxy.stats.snapshot().errors).toContainEqual(['web', 'overload', 1]);
  proxy.shedRatio = 0;
  await waitFor('service', async () => (await rawRequest(port, get())).startsWith('HTTP/1.1 200'));
});

test('a thread that stays behind sheds some of its work and answers the rest; when it keeps up again, it serves all', async () => {
  const backend = await startHttpBackend('b1');
  const threads = startProxyThreads();
  const agent = new Agent({ keepAlive: true });
  try {
    const [port = 0] = await freePorts(1);
    const pools = [poolSpec('app', { backends: [backendSpec('b1', { port: backend.port })] })];
    await threads.follow(
      routingSnapshot({ listeners: [listenerSpec('web', { port, routes: [routeTo('app')] })], pools }),
    );
    const [thread] = threads.threads;
    const shed = async (): Promise<number> =>
      (await thread!.stats()).errors.find(([, reason]) => reason === 'overload')?.[2] ?? 0;
    const ask = () => httpGet(port, { agent }).catch(() => null);
    await Promise.all(Array.from({ length: CLIENTS }, ask));
    let isBehind = true;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (isBehind) await ask();
    });
    // Longer each than what is borne, and more in a row than are judged together.
    thread!.stall({ turns: 9, ms: 2_700 });
    await waitFor('requests to be shed', async () => (await shed()) > 0, { timeoutMs: 45_000 });
    isBehind = false;
    await Promise.all(clients);
    const servesAll = async (): Promise<boolean> => {
      const answers = await Promise.all(Array.from({ length: CLIENTS }, ask));
      return answers.every((answer) => answer?.status === 200);
    };
    await waitFor('service for all', servesAll, { timeoutMs: 45_000 });
  } finally {
    agent.destroy();
    await threads.close();
    await backend.close();
  }
});
