/**
 * A TCP server whose connections are wires: its own where the handles are known and plain TCP is spoken, else sockets of Node.
 */
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { handleOf } from './native.ts';
import type { TcpHandle } from './native.ts';
import { TcpWire } from './tcp-wire.ts';
import type { Wire } from './wire.ts';

export interface WireServerOptions {
  /** Whether the next connection needs a socket of Node, as TLS does. */
  needsSocket(): boolean;
  accepted(wire: Wire): void;
}

/** Not listening yet. */
export function createWireServer(options: WireServerOptions): Server {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    // Whoever takes it over listens too; until then an error must not end the thread.
    socket.on('error', () => socket.destroy());
    options.accepted(socket);
  });
  server.on('listening', () => {
    const handle = handleOf(server);
    if (handle !== null) takeOver(handle, options);
  });
  return server;
}

function takeOver(handle: TcpHandle, { needsSocket, accepted }: WireServerOptions): void {
  const acceptSocket = handle.onconnection;
  if (acceptSocket === undefined) return;
  // Connections inherit it: no system call for each.
  handle.setNoDelay(true);
  handle.onconnection = function accept(status, client) {
    if (status !== 0 || client === undefined || needsSocket()) acceptSocket.call(handle, status, client);
    else accepted(new TcpWire(client));
  };
}
