/**
 * How long a connection to the API may take and rest. Node sets a socket's timer anew before and after each answer; here
 * both times are one, so that a timer is set once for each connection and refreshed by whatever moves on it.
 */
import type { Server } from 'node:http';
import { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { apiIdleMs, apiKeepAliveMs, apiRequestTimeoutMs } from '../limits.ts';

/** For connections that are accepted from now on. */
export function limitTimes(server: Server): void {
  server.requestTimeout = apiRequestTimeoutMs;
  server.keepAliveTimeout = apiKeepAliveMs;
  server.keepAliveTimeoutBuffer = apiIdleMs - apiKeepAliveMs;
  server.timeout = apiIdleMs;
  // First, since Node's own listener sets the timer already.
  server.prependListener(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    socket.setTimeout = setTimeoutOnce;
  });
}

function setTimeoutOnce(this: Socket, ms: number, callback?: () => void): Socket {
  if (ms === this.timeout && callback === undefined) return this;
  return Socket.prototype.setTimeout.call(this, ms, callback);
}
