/**
 * One probe: a fresh connection, one question, one verdict, never a throw. Raw sockets for TCP and HTTP/1.1, because a
 * probe needs the status line only and ten thousand backends should not cost ten thousand HTTP clients; HTTP/2 and gRPC
 * are in probe-h2.ts.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { errorText } from '@flotilla/shared';
import { probeBodyMaxBytes, probeDetailMaxBytes } from '../limits.ts';
import { type Attempt, hostField } from './attempt.ts';
import { probeGrpc, probeHttp2 } from './probe-h2.ts';
import type { ProbeResult, ProbeTarget } from './target.ts';

/** PROXY v2 header with the LOCAL command: "this connection is the balancer's own". */
const PROXY_V2_LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

/** Runs one probe. Resolves within the target's timeout; `signal` ends it early as a failure that nobody should count. */
export function probe(target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const { timeoutMs } = target.health;
    let socket: Socket | null = null;
    const settle = (ok: boolean, detail: string): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket?.destroy();
      resolve({ ok, latencyMs: round(performance.now() - startedMs), detail: detail.slice(0, probeDetailMaxBytes) });
    };
    const abort = (): void => settle(false, 'stopped');
    // After a stall of our own the answer may be there, unread: sockets get their turn before the verdict.
    const timer = setTimeout(() => setImmediate(settle, false, `no answer within ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener('abort', abort);
    try {
      const opened = dial(target, () => {
        // A host or method that the protocol cannot say: thrown out of a socket's event it would end the thread, on every node.
        try {
          start(target, opened, { settle });
        } catch (error) {
          settle(false, reason(error));
        }
      });
      socket = opened;
      opened.on('error', (error) => settle(false, reason(error)));
      opened.on('close', () => settle(false, 'connection closed without an answer'));
    } catch (error) {
      settle(false, reason(error));
    }
  });
}

function dial(target: ProbeTarget, onReady: () => void): Socket {
  const { host, port, tls } = target;
  const tcp = connectTcp({ host, port, noDelay: true }, () => {
    if (target.proxyProtocol === 'v1') tcp.write('PROXY UNKNOWN\r\n');
    if (target.proxyProtocol === 'v2') tcp.write(PROXY_V2_LOCAL);
    if (tls === null) onReady();
  });
  if (tls === null) return tcp;
  const servername = tls.serverName ?? (isIP(host) === 0 ? host : '');
  const secured = connectTls({
    socket: tcp,
    servername,
    rejectUnauthorized: tls.verify,
    ALPNProtocols: target.http2 || target.health.protocol === 'grpc' ? ['h2'] : ['http/1.1'],
    ...(tls.caPem === null ? {} : { ca: tls.caPem }),
    ...(tls.certPem === null ? {} : { cert: tls.certPem }),
    ...(tls.keyPem === null ? {} : { key: tls.keyPem }),
  });
  secured.once('secureConnect', onReady);
  tcp.on('error', (error) => secured.destroy(error));
  return secured;
}

function start(target: ProbeTarget, socket: Socket, attempt: Attempt): void {
  const { protocol } = target.health;
  if (protocol === 'tcp') attempt.settle(true, 'connected');
  else if (protocol === 'grpc') probeGrpc(target, socket, attempt);
  else if (target.http2) probeHttp2(target, socket, attempt);
  else probeHttp1(target, socket, attempt);
}

function probeHttp1(target: ProbeTarget, socket: Socket, attempt: Attempt): void {
  const { health } = target;
  const path = health.path.startsWith('/') ? health.path : `/${health.path}`;
  let head = '';
  socket.on('data', (chunk: Buffer) => {
    head += chunk.toString('latin1');
    const status = finalStatus(head);
    if (status === 'garbage') attempt.settle(false, 'not an HTTP answer');
    else if (status !== null) attempt.settle(health.expectStatus.includes(status), `status ${status}`);
    else if (head.length > probeBodyMaxBytes) attempt.settle(false, 'answer head too large');
  });
  socket.write(
    `${health.method} ${path} HTTP/1.1\r\nHost: ${hostField(target)}\r\nUser-Agent: flotilla-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
  );
}

/** Status of the first answer that is not interim (1xx); null while more bytes are needed. */
function finalStatus(head: string): number | 'garbage' | null {
  let rest = head;
  for (;;) {
    const end = rest.indexOf('\r\n');
    if (end < 0) return rest.length >= 5 && !rest.startsWith('HTTP/') ? 'garbage' : null;
    const match = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(rest.slice(0, end));
    if (match === null) return 'garbage';
    const status = Number(match[1]);
    if (status >= 200 || status === 101) return status;
    const next = rest.indexOf('\r\n\r\n');
    if (next < 0) return null;
    rest = rest.slice(next + 4);
  }
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ECONNRESET':
      return 'connection reset';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'host unreachable';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'name not found';
    default:
      return code === undefined ? errorText(error) : `${code}: ${errorText(error)}`;
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
