/** Reads the PROXY header at the start of a connection and puts back what follows it, within a time and a size. */
import type { Timers } from '../thread/timers.ts';
import type { Wire } from '../wire/wire.ts';
import type { Endpoints } from './connection.ts';
import { parseProxyHeader } from './proxy-header.ts';

export type ProxyHeaderOutcome =
  | { readonly type: 'error'; readonly reason: string }
  | { readonly type: 'header'; readonly endpoints: Endpoints | null };

export function readProxyHeader(
  socket: Wire,
  limits: { readonly timers: Timers; readonly timeoutMs: number },
  done: (outcome: ProxyHeaderOutcome) => void,
): void {
  let received: Buffer = Buffer.alloc(0);
  const timer = limits.timers.after(limits.timeoutMs, () => finish({ type: 'error', reason: 'proxy-header-timeout' }));

  function finish(outcome: ProxyHeaderOutcome): void {
    timer.cancel();
    socket.off('data', read);
    socket.off('close', gone);
    socket.off('end', gone);
    socket.pause();
    done(outcome);
  }

  function gone(): void {
    finish({ type: 'error', reason: 'proxy-header-missing' });
  }

  function read(chunk: Buffer): void {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const result = parseProxyHeader(received);
    if (result.type === 'more') return;
    if (result.type === 'error') {
      finish(result);
      return;
    }
    const rest = received.subarray(result.length);
    finish({ type: 'header', endpoints: result.endpoints });
    // After the protocol has attached: it sees one uninterrupted stream.
    if (rest.length > 0) socket.unshift(rest);
  }

  socket.on('data', read);
  socket.once('close', gone);
  socket.once('end', gone);
}
