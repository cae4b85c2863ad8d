/**
 * A proxy before raw backends, all closed when the test is over.
 */
import { afterEach } from 'vitest';
import type { ListenerSpec, PoolSpec, RoutingSnapshot } from '@flotilla/shared';
import { InProcessProxy } from './in-process-proxy.ts';
import { OK_RESPONSE, RawBackend, rawRequest } from './raw-tcp.ts';
import type { RawPeer } from './raw-tcp.ts';
import { backendSpec, listenerSpec, poolSpec, routingSnapshot } from './snapshots.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export interface HttpBedOptions {
  readonly listener?: Partial<ListenerSpec>;
  readonly pool?: Partial<PoolSpec>;
  readonly upstream?: Partial<PoolSpec['upstream']>;
  readonly snapshot?: Partial<RoutingSnapshot>;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function startBackend(
  answer: (request: number, peer: RawPeer) => string | null = () => OK_RESPONSE,
  port = 0,
): Promise<RawBackend> {
  const backend = await RawBackend.start(answer, port);
  closers.push(() => backend.close());
  return backend;
}

/** `ports`: of the backends b1, b2 … of the pool `app`. */
export function bedSnapshot(ports: readonly number[], options: HttpBedOptions = {}): RoutingSnapshot {
  const backends = ports.map((port, at) => backendSpec(`b${at + 1}`, { port, slot: at }));
  const plain = poolSpec('app', { backends, ...options.pool });
  const pool = { ...plain, upstream: { ...plain.upstream, ...options.upstream } };
  return routingSnapshot({
    listeners: [listenerSpec('web', options.listener)],
    pools: [pool],
    ...options.snapshot,
  });
}

export async function startProxy(ports: readonly number[], options: HttpBedOptions = {}): Promise<InProcessProxy> {
  const proxy = new InProcessProxy(bedSnapshot(ports, options));
  await proxy.listen(options.tls === undefined ? {} : { tls: options.tls });
  closers.push(() => proxy.close());
  return proxy;
}

/** One backend that answers as told, one proxy before it. */
export async function bed(
  answer: (request: number, peer: RawPeer) => string | null = () => OK_RESPONSE,
  options: HttpBedOptions = {},
): Promise<{ readonly backend: RawBackend; readonly proxy: InProcessProxy; readonly port: number }> {
  const backend = await startBackend(answer);
  const proxy = await startProxy([backend.port], options);
  return { backend, proxy, port: proxy.port };
}

export const CLOSE = 'Connection: close\r\n';

/** A request that is the last of its connection. */
export const get = (fields = '', target = '/'): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}${CLOSE}\r\n`;

export const response = (fields: string, body = ''): string =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

/** Sends the bytes of one request; answers what the backend got and what the client got back. */
export async function through(request: string, answer = OK_RESPONSE): Promise<{ sent: string; got: string }> {
  const { backend, port } = await bed(() => answer);
  const got = await rawRequest(port, request);
  return { sent: backend.received, got };
}
