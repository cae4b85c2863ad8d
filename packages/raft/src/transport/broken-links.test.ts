/** A network that breaks in between: a relay that goes silent or drops connections while both processes live. */
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { isUp, station } from '../testing/transport-suite.ts';
import type { Station } from '../testing/transport-suite.ts';
import { CLOSE_HEARD_MAX_MS } from './limits.ts';
import { TcpTransport } from './tcp-transport.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function node(replica: string): Promise<Station> {
  const transport = new TcpTransport({
    listen: { host: '127.0.0.1', port: 0 },
    clusterName: 'test',
    clusterId: 'c1',
    replica,
    secret: 'secret',
  });
  closers.push(() => transport.close());
  await transport.listen();
  const address = { replica, host: '127.0.0.1', port: transport.port };
  return station({ create: () => Promise.resolve({ transport, address }), destroy: () => transport.close() }, replica);
}

/** Passes bytes on to a port until told to be silent; can cut everything that runs through it. */
class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #silent = false;

  constructor(port: number) {
    this.#server = createServer((inbound) => {
      const outbound = connect({ host: '127.0.0.1', port });
      for (const [from, to] of [
        [inbound, outbound],
        [outbound, inbound],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (bytes) => {
          if (!this.#silent) to.write(bytes);
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
    closers.push(async () => {
      this.cut();
      await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  setSilent(silent: boolean): void {
    this.#silent = silent;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Two nodes; the first reaches the second through a relay. */
async function pair(): Promise<{ a: Station; b: Station; relay: Relay }> {
  const [a, b] = [await node('n1#a'), await node('n2#b')];
  const relay = new Relay(b.address.port);
  const port = await relay.listen();
  a.transport.setPeers([{ ...b.address, port }]);
  b.transport.setPeers([a.address]);
  await waitFor('both links', () => isUp(a, 'n2#b') && isUp(b, 'n1#a'));
  return { a, b, relay };
}

test('a connection that breaks while the process lives is not taken for its death', async () => {
  const { a, relay } = await pair();
  relay.cut();
  await waitFor('the link to be back', () => a.links.length >= 3 && isUp(a, 'n2#b'));
  expect(a.links).toEqual(['up n2#b', 'down n2#b', 'up n2#b']);
});

test('a connection on which nothing is heard is given up, and made again when the network is back', async () => {
  const { a, relay } = await pair();
  relay.setSilent(true);
  await waitFor('the loss', () => a.links.includes('down n2#b'));
  relay.setSilent(false);
  await waitFor('the link to be back', () => isUp(a, 'n2#b'));
  expect(a.links).not.toContain('down n2#b reset');
});

test('a peer that closes because the network was silent is not taken for dead', async () => {
  const { a, relay } = await pair();
  relay.setSilent(true);
  await sleep(CLOSE_HEARD_MAX_MS + 50);
  relay.cut();
  await waitFor('the loss', () => !isUp(a, 'n2#b'));
  expect(a.links.at(-1)).toBe('down n2#b');
});
