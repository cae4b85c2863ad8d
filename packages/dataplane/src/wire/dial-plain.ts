/**
 * A plain connection to a backend that reads without allocating: what HTTP and raw streams are sent through.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { handleOf, native } from './native.ts';

/** What all of them read into. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536);

/** `received` is lent the buffer for the call: what it keeps it copies. The socket is half-open and emits no `data`. */
export function dialPlain(
  target: { readonly host: string; readonly port: number },
  received: (buffer: Buffer, length: number) => void,
): Socket {
  const callback = (length: number) => {
    received(READ_BUFFER, length);
    return true;
  };
  const onread = { buffer: READ_BUFFER, callback };
  const socket = connect({ host: target.host, port: target.port, noDelay: true, allowHalfOpen: true, onread });
  socket.once('connect', () => readDirectly(socket, received));
  return socket;
}

/** Bytes come without a detour through the socket, which still hears of the end and of errors. */
function readDirectly(socket: Socket, received: (buffer: Buffer, length: number) => void): void {
  const handle = handleOf(socket);
  if (handle === null || native === null) return;
  const { lastRead } = native;
  const { onread } = handle;
  handle.onread = () => {
    const length = lastRead();
    if (length > 0) received(READ_BUFFER, length);
    else onread.call(handle);
  };
}
