/** The network of relays: what passes, what is held back and passed on later, what breaks. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePorts, waitFor } from '@flotilla/shared/testing';
import { Network } from './relay.ts';

/** As a node's handshake begins. */
const HELLO = 'hello from n1#0a1b2c3d ';

let server: Server;
let network: Network;
let relayPort: number;
let accepted: Socket[];
let received: string;
beforeEach(async () => {
  accepted = [];
  received = '';
  server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  [relayPort = 0] = await freePorts(1);
  network = await Network.open([{ id: 'n2', port: (server.address() as AddressInfo).port }], [relayPort]);
});
afterEach(async () => {
  await network.close();
  for (const socket of accepted) socket.destroy();
  server.close();
});

/** A connection of n1 to n2; what it is sent back is added up. */
function dial(): { readonly socket: Socket; heard: string; ended: boolean } {
  const dialled = { socket: connect({ host: '127.0.0.1', port: relayPort }), heard: '', ended: false };
  dialled.socket.on('error', () => undefined);
  dialled.socket.on('data', (bytes) => {
    dialled.heard += bytes.toString('latin1');
  });
  dialled.socket.on('close', () => {
    dialled.ended = true;
  });
  dialled.socket.write(HELLO);
  return dialled;
}

it('passes bytes both ways, and the end', async () => {
  const client = dial();
  await waitFor('the hello', () => received === HELLO);
  accepted[0]!.write('answer');
  await waitFor('the answer', () => client.heard === 'answer');
  client.socket.end('bye');
  await waitFor('the end', () => received === `${HELLO}bye` && accepted[0]!.readableEnded);
});

it('holds one direction back and passes it on, in order, when healed', async () => {
  const client = dial();
  await waitFor('the hello', () => received === HELLO);
  network.set('n1', 'n2', { kind: 'hold' });
  client.socket.write('one ');
  client.socket.write('two');
  accepted[0]!.write('still heard');
  await waitFor('the other direction', () => client.heard === 'still heard');
  expect(received).toBe(HELLO);
  network.heal();
  await waitFor('what was held', () => received === `${HELLO}one two`);
});

it('does not let the target see a connection that is dialled while silenced', async () => {
  network.partition(['n1'], ['n2']);
  const client = dial();
  await once(client.socket, 'connect');
  // A connection of somebody else goes through meanwhile, so there was time for this one.
  const other = connect({ host: '127.0.0.1', port: relayPort });
  other.write('hello from n3#0a1b2c3d');
  await waitFor('the other one', () => received.includes('n3#'));
  other.destroy();
  expect(accepted).toHaveLength(1);
  network.heal();
  await waitFor('the hello', () => received.includes(HELLO));
});

it('breaks what is refused, and what comes meanwhile', async () => {
  const before = dial();
  await waitFor('the hello', () => received === HELLO);
  network.set('n2', 'n1', { kind: 'refuse' });
  const after = dial();
  await waitFor('both broken', () => before.ended && after.ended);
  expect(accepted).toHaveLength(1);
});

it('delays', async () => {
  const delayMs = 60;
  network.set('n1', 'n2', { kind: 'delay', delayMs });
  const startedMs = performance.now();
  dial();
  await waitFor('the hello', () => received === HELLO);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(delayMs - 1);
});
