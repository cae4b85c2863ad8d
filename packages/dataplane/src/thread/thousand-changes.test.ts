/**
 * A thousand changes of certificates, routes, weights and pools under load, on real proxy threads: no request fails, no connection
 * is closed for them, and no table is kept. Every table is large and the heap of a thread small: were each one kept, the thread
 * would end long before the last.
 */
import { Agent, request } from 'node:https';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, test } from 'vitest';
import type { CertificateSpec, PoolSpec, RoutingSnapshot } from '@flotilla/shared';
import { TestAuthority } from '../testing/certificates.ts';
import { startHttpBackend } from '../testing/http-backend.ts';
import { http2Client, http2Get } from '../testing/http2-peers.ts';
import { startProxyThreads } from '../testing/proxy-threads.ts';
import { backendSpec, listenerSpec, poolSpec, routeTo, routingSnapshot } from '../testing/snapshots.ts';

const CHANGES = 1_000;
/** Changes between two looks at whether the threads follow. */
const BATCH = 20;
const CLIENTS = 4;
const POOLS = 60;
const BACKENDS = 4;
const HEAP_MB = 64;
/** Of the whole process over the second half; five hundred TLS contexts in each of two threads alone would be more. */
const GROWTH_MAX_BYTES = 40_000_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Site {
  readonly port: number;
  readonly backends: readonly number[];
  readonly certificates: readonly CertificateSpec[];
}

/** What the site looks like after so many changes: another certificate, other routes, other pools, other weights. */
function siteAt(index: number, { port, backends, certificates }: Site): RoutingSnapshot {
  const pools: PoolSpec[] = Array.from({ length: POOLS + (index % 3) }, (_, pool) =>
    poolSpec(`p${pool}`, {
      algorithm: index % 2 === 0 ? 'round-robin' : 'least-connections',
      backends: Array.from({ length: BACKENDS }, (__, at) =>
        backendSpec(`b${at}`, {
          port: backends[at % backends.length] ?? 0,
          slot: pool * BACKENDS + at,
          weight: 1 + ((index + at) % 100),
        }),
      ),
    }),
  );
  const routes = [routeTo(`p${index % POOLS}`, { pathPrefix: `/only/${index}` }), routeTo(`p${(index * 7) % POOLS}`)];
  const tls = {
    certificates: [certificates[index % certificates.length]?.name ?? ''],
    clientCa: null,
    clientAuth: 'require',
    minVersion: '1.2',
    alpn: ['h2', 'http/1.1'],
  } as const;
  return routingSnapshot({
    index,
    revision: index,
    listeners: [listenerSpec('web', { port, protocol: 'https', tls, routes })],
    pools,
    certificates,
  });
}

/** Requests over kept HTTP/1.1 connections and one HTTP/2 connection until told to stop; answers what went wrong. */
async function load(port: number, ca: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS, ca });
  cleanups.push(() => agent.destroy());
  const session = await http2Client(port, { ca }, 'https');
  cleanups.push(() => session.destroy());
  const state = { running: true, served: 0, connections: 0 };
  const wrong: string[] = [];
  const http1 = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: 'localhost', port, path: '/', agent }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', reject);
      });
      asked.on('socket', (socket) => {
        if (asked.reusedSocket) return;
        socket.once('secureConnect', () => state.connections++);
      });
      asked.on('error', reject);
      asked.end();
    });
  const http2 = async (): Promise<number> => Number((await http2Get(session, { ':path': '/' })).headers[':status']);
  const loops = Array.from({ length: CLIENTS + 1 }, async (_, at) => {
    while (state.running && wrong.length === 0) {
      try {
        const status = await (at < CLIENTS ? http1() : http2());
        if (status === 200) state.served++;
        else wrong.push(`status ${status}`);
      } catch (error) {
        wrong.push(String(error));
      }
    }
  });
  const stop = async (): Promise<readonly string[]> => {
    state.running = false;
    await Promise.all(loops);
    return wrong;
  };
  return { state, wrong, stop };
}

test('fail nothing, close nothing, and leave nothing behind', { timeout: 120_000 }, async () => {
  const backends = await Promise.all([startHttpBackend('one'), startHttpBackend('two')]);
  for (const backend of backends) cleanups.push(() => backend.close());
  const authority = await TestAuthority.create();
  const issued = await Promise.all(['localhost', 'localhost', 'localhost'].map((name) => authority.issue(name)));
  const certificates = issued.map((certificate, at) => ({ name: `site${at}`, ...certificate }));
  const [port = 0] = await freePorts(1);
  const site = { port, backends: backends.map((backend) => backend.port), certificates };
  const threads = startProxyThreads({ count: 2, resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });
  cleanups.push(() => threads.close());
  await threads.follow(siteAt(1, site));
  const traffic = await load(port, authority.certPem);
  await waitFor('the first requests', () => traffic.state.served > 50);
  let early = 0;
  for (let index = 2; index <= CHANGES + 1; index++) {
    const snapshot = siteAt(index, site);
    for (const thread of threads.threads) thread.send({ type: 'snapshot', snapshot });
    if (index % BATCH !== 0) continue;
    const before = traffic.state.served;
    await Promise.all(threads.threads.map((thread) => thread.active(index)));
    await waitFor('requests under this table', () => traffic.state.served > before || traffic.wrong.length > 0);
    expect(traffic.wrong).toEqual([]);
    if (index === CHANGES / 2) early = process.memoryUsage.rss();
  }
  await Promise.all(threads.threads.map((thread) => thread.active(CHANGES + 1)));
  expect(process.memoryUsage.rss() - early).toBeLessThan(GROWTH_MAX_BYTES);
  expect(await traffic.stop()).toEqual([]);
  expect(traffic.state.connections).toBe(CLIENTS);
  await waitFor('nothing in flight', () => new Int32Array(threads.memory.inFlight).every((count) => count === 0));
});
