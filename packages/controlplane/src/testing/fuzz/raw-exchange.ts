/**
 * One request as bytes over a socket of its own, and what came back: no client library corrects anything on the way.
 */
import { connect } from 'node:net';
import type { FuzzRequest } from './request-arbitrary.ts';

export interface RawAnswer {
  /** 0: closed without an answer. */
  readonly status: number;
  readonly text: string;
}

/** Asks from `localAddress`, where one is given. Rejects where neither an answer nor a close came in time. */
export function exchangeRaw(
  address: { readonly host: string; readonly port: number; readonly localAddress?: string },
  { method, target, headers, body, sentRatio }: FuzzRequest,
  timeoutMs: number,
): Promise<RawAnswer> {
  const payload = Buffer.from(body, 'utf8');
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `host: ${address.host}:${address.port}`,
    'connection: close',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(payload.length > 0 ? [`content-length: ${payload.length}`] : []),
  ];
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(address);
    const limit = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.on('connect', () => {
      socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'utf8');
      socket.write(payload.subarray(0, Math.floor(payload.length * sentRatio)));
      // A body that is cut off ends with the connection.
      if (isCut({ headers, sentRatio })) socket.end();
    });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // The server may close before it has read everything.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(limit);
      resolve(parse(Buffer.concat(chunks).toString('utf8')));
    });
  });
}

/** Less arrives than was announced, for as long as the connection stands. */
export function isCut({ headers, sentRatio }: Pick<FuzzRequest, 'headers' | 'sentRatio'>): boolean {
  return sentRatio < 1 || headers.some(([name]) => name === 'transfer-encoding');
}

function parse(text: string): RawAnswer {
  const final = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  const end = final.indexOf('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(final)?.[1] ?? 0);
  const rest = end === -1 ? '' : final.slice(end + 4);
  return { status, text: /\r\ntransfer-encoding: chunked/i.test(final.slice(0, end)) ? dechunk(rest) : rest };
}

function dechunk(text: string): string {
  const first = text.indexOf('\r\n');
  return text.slice(first + 2).split('\r\n')[0] ?? '';
}
