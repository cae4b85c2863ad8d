/**
 * One HTTP exchange with one server. Tells failures before the request could have arrived from later ones, because only
 * the former may be repeated elsewhere without a thought.
 */
import { request as requestHttp } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS } from '../limits.ts';

export interface ExchangeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** PEM of the CA to trust for https; null: the system's. */
  readonly ca: string | null;
}

export interface ExchangeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** The server could not be asked, or did not answer. */
export class ExchangeError extends Error {
  /** False: the request never left. */
  readonly wasSent: boolean;

  constructor(message: string, wasSent: boolean) {
    super(message);
    this.name = 'ExchangeError';
    this.wasSent = wasSent;
  }
}

/** Resolves with the answer when its head is there; the body is still to be read. */
export function open(
  server: URL,
  request: ExchangeRequest,
  signal?: AbortSignal,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<IncomingMessage> {
  const send = server.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((settle, reject) => {
    let connected = false;
    const outgoing = send(new URL(request.path, server), {
      method: request.method,
      headers: {
        ...request.headers,
        ...(request.body === null ? {} : { 'content-length': Buffer.byteLength(request.body) }),
      },
      timeout: timeoutMs,
      agent: false,
      ...(request.ca === null ? {} : { ca: request.ca }),
      ...(signal === undefined ? {} : { signal }),
    });
    const limit = setTimeout(() => outgoing.destroy(new Error('no connection in time')), CONNECT_TIMEOUT_MS);
    outgoing.on('socket', (socket) =>
      socket.once(server.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        connected = true;
        clearTimeout(limit);
      }),
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error) => {
      clearTimeout(limit);
      reject(new ExchangeError(`${server.host}: ${wordsOf(error, server.protocol)}`, connected));
    });
    outgoing.on('response', settle);
    outgoing.end(request.body ?? undefined);
  });
}

/** Of OpenSSL, where nobody who is trusted signed a certificate. */
const UNTRUSTED_CODES = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
];

/** Who speaks TLS to one that does not, or the other way round, is told so instead of what the library makes of it. */
function wordsOf(error: NodeJS.ErrnoException, protocol: string): string {
  const code = error.code ?? '';
  if (protocol === 'https:' && code === 'EPROTO') return 'does not speak TLS: http:// instead of https://?';
  if (protocol === 'http:' && (code === 'ECONNRESET' || code.startsWith('HPE_')))
    return `broke off (${error.message}): not the API, or https:// instead of http://?`;
  if (UNTRUSTED_CODES.includes(code)) return `its certificate is not trusted: --ca FILE or FLOTILLA_CA (${code})`;
  return error.message || code;
}

/** `timeoutMs`: the longest silence. */
export async function exchange(
  server: URL,
  request: ExchangeRequest,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<ExchangeAnswer> {
  const incoming = await open(server, request, undefined, timeoutMs);
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, text };
  } catch (error) {
    throw new ExchangeError(`${server.host}: the answer broke off: ${(error as Error).message}`, true);
  }
}
