/**
 * A plain connection to a backend that reads without allocating: what HTTP and raw streams are sent through.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

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
  return connect({ host: target.host, port: target.port, noDelay: true, allowHalfOpen: true, onread });
}
