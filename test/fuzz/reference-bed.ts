/**
 * The proxy before one backend that is the reference: what arrives there is what the proxy forwarded, as a reader apart from it reads it.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { backendSpec, InProcessProxy, listenerSpec, poolSpec, routingSnapshot } from '@flotilla/dataplane/testing';
import { waitFor } from '@flotilla/shared/testing';
import { referenceServer } from './reference.ts';
import type { Seen } from './reference.ts';

/** The backend sees these when the proxy drops a request that turned out to be none: nothing was parsed wrongly. */
const CUT_OFF = new Set(['ECONNRESET', 'HPE_INVALID_EOF_STATE', 'EPIPE']);

export class ReferenceBed {
  readonly #backend;
  readonly #proxy: InProcessProxy;
  #seen: Seen[] = [];
  #broken: string[] = [];

  private constructor(backend: ReturnType<typeof referenceServer>, proxy: InProcessProxy) {
    this.#backend = backend;
    this.#proxy = proxy;
  }

  static async start(): Promise<ReferenceBed> {
    const backend = referenceServer(
      (request) => bed.#seen.push(request),
      (code) => bed.#broken.push(code),
    );
    backend.listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const backends = [backendSpec('b1', { port: (backend.address() as AddressInfo).port })];
    const snapshot = routingSnapshot({ listeners: [listenerSpec('web')], pools: [poolSpec('app', { backends })] });
    const bed: ReferenceBed = new ReferenceBed(backend, await new InProcessProxy(snapshot).listen());
    return bed;
  }

  /** Of the proxy. */
  get port(): number {
    return this.#proxy.port;
  }

  /** Forgets the case before. */
  reset(): void {
    this.#seen = [];
    this.#broken = [];
  }

  /** All that the backend got since the reset: whole requests, and the codes of what it could not read. */
  async forwarded(): Promise<{ readonly seen: readonly Seen[]; readonly faults: readonly string[] }> {
    const { runtime } = this.#proxy.backend('app', 'b1');
    await waitFor('nothing in flight', () => runtime.inFlight() === 0, { everyMs: 1 });
    return { seen: this.#seen, faults: this.#broken.filter((code) => !CUT_OFF.has(code)) };
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    this.#backend.closeAllConnections();
    this.#backend.close();
  }
}
