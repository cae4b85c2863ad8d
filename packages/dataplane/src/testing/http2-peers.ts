/**
 * HTTP/2 clients and backends for tests: Node's own, so that what we speak is judged by somebody else's implementation.
 */
import { once } from 'node:events';
import { connect, createSecureServer, createServer } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  ClientSessionOptions,
  IncomingHttpHeaders,
  IncomingHttpStatusHeader,
  OutgoingHttpHeaders,
  SecureClientSessionOptions,
  ServerHttp2Session,
  ServerHttp2Stream,
  Settings,
} from 'node:http2';
import type { AddressInfo, Server } from 'node:net';

export interface Http2Answer {
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly trailers: IncomingHttpHeaders;
  readonly interim: readonly number[];
  readonly body: string;
  /** Of the stream's end. */
  readonly code: number;
}

export async function http2Client(
  port: number,
  options: ClientSessionOptions | SecureClientSessionOptions = {},
  scheme: 'http' | 'https' = 'http',
): Promise<ClientHttp2Session> {
  const session = connect(`${scheme}://localhost:${port}`, options);
  session.on('error', () => {});
  await once(session, 'remoteSettings');
  return session;
}

/** Reads the whole answer, whatever its end. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
  let trailers: IncomingHttpHeaders = {};
  const interim: number[] = [];
  const chunks: Buffer[] = [];
  stream.on('headers', (fields) => interim.push(Number(fields[':status'])));
  stream.on('response', (fields) => (headers = fields));
  stream.on('trailers', (fields) => (trailers = fields));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => {});
  if (!stream.closed || !stream.destroyed) await new Promise<void>((resolve) => stream.once('close', () => resolve()));
  return { headers, trailers, interim, body: Buffer.concat(chunks).toString('latin1'), code: stream.rstCode ?? 0 };
}

export async function http2Get(
  session: ClientHttp2Session,
  fields: OutgoingHttpHeaders,
  body: string | null = null,
): Promise<Http2Answer> {
  const stream = session.request(fields, { endStream: body === null });
  if (body !== null) stream.end(body);
  return answerOf(stream);
}

export type Http2Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export class Http2Backend {
  readonly sessions: ServerHttp2Session[] = [];
  readonly requests: IncomingHttpHeaders[] = [];
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  static async start(
    handler: Http2Handler,
    options: { readonly tls?: { cert: string; key: string; ca?: string }; readonly settings?: Settings } = {},
  ): Promise<Http2Backend> {
    const settings = options.settings ?? {};
    const server =
      options.tls === undefined ? createServer({ settings }) : createSecureServer({ ...options.tls, settings });
    const backend = new Http2Backend(server);
    server.on('session', (session) => {
      backend.sessions.push(session);
      session.on('error', () => {});
    });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      backend.requests.push(headers);
      stream.on('error', () => {});
      handler(stream, headers);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return backend;
  }
}
