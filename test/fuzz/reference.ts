/**
 * The parser that judges: llhttp in its strict form, as Node's own server and client run it. It reads bytes without a network
 * between, or behind the proxy as the backend and before it as the client.
 */
import { createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage, Server } from 'node:http';
import { Duplex } from 'node:stream';
import type { Readable } from 'node:stream';

/** More than any generated head has, so that the reference never stops for size. */
const HEAD_MAX_BYTES = 262_144;
/** Turns of the event loop without anything new after which the reference is done with what it was given. */
const QUIET_TURNS = 4;

export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Names and values by turns, as they were written. */
  readonly fields: readonly string[];
  readonly trailers: readonly string[];
  readonly body: string;
}

/** A server that tells `seen` of every whole request and `broken` of every message that is none. */
export function referenceServer(seen: (request: Seen) => void, broken: (code: string) => void): Server {
  const server = createServer({ maxHeaderSize: HEAD_MAX_BYTES, insecureHTTPParser: false }, (incoming, answer) => {
    const chunks: Buffer[] = [];
    const told = (): void => {
      if (!incoming.complete || !open.delete(incoming)) return;
      seen(requestSeen(incoming, chunks));
      answer.end('ok');
    };
    open.set(incoming, told);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('error', () => undefined);
    incoming.on('close', () => open.delete(incoming));
    incoming.on('end', told);
  });
  const open = new Map<IncomingMessage, () => void>();
  server.maxHeadersCount = 0;
  server.keepAliveTimeout = 60_000;
  server.requestTimeout = 0;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // What was whole before the fault was read, though its turn to be told has not come.
    for (const [incoming, told] of open) {
      if (incoming.socket !== socket) continue;
      readOn(incoming);
      told();
    }
    broken(error.code ?? error.message);
    socket.destroy();
  });
  return server;
}

/** What a stream holds goes to its listener now. */
function readOn(stream: Readable): void {
  while (stream.read() !== null);
}

function requestSeen(incoming: IncomingMessage, chunks: readonly Buffer[]): Seen {
  return {
    method: incoming.method ?? '',
    target: incoming.url ?? '',
    version: incoming.httpVersion,
    fields: incoming.rawHeaders,
    trailers: incoming.rawTrailers,
    body: Buffer.concat(chunks).toString('latin1'),
  };
}

export interface RequestsRead {
  readonly requests: readonly Seen[];
  /** Why it read no further, '' where it did not stop. */
  readonly error: string;
}

/** What the reference reads in these bytes when nobody stands before it. */
export async function readRequests(text: string): Promise<RequestsRead> {
  const requests: Seen[] = [];
  let error = '';
  let events = 0;
  const server = referenceServer(
    (one) => {
      requests.push(one);
      events++;
    },
    (code) => {
      error ||= code;
      events++;
    },
  );
  const pipe = new BytePipe(text, () => events++);
  server.emit('connection', pipe);
  await quiet(() => events);
  pipe.destroy();
  return { requests, error };
}

export interface ResponseRead {
  /** 'whole', 'until-end' (the connection's end is its end), 'broken' or 'switched' (101). */
  readonly kind: 'whole' | 'until-end' | 'broken' | 'switched';
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: string;
}

const BROKEN: ResponseRead = { kind: 'broken', status: 0, fields: [], body: '' };

/** What the reference reads in these bytes as the answer to a request with this method. */
export async function readResponse(text: string, method: string): Promise<ResponseRead> {
  let events = 0;
  const pipe = new BytePipe(text, () => events++);
  const asked = request({ method, createConnection: () => pipe, maxHeaderSize: HEAD_MAX_BYTES });
  const answer = new AnswerReader(asked, () => events++);
  asked.end();
  await quiet(() => events);
  const first = answer.result;
  if (first === null) {
    pipe.push(null);
    await quiet(() => events);
  }
  const result = first ?? answer.result ?? BROKEN;
  pipe.destroy();
  return first === null && result.kind === 'whole' ? { ...result, kind: 'until-end' } : result;
}

/** Reads the answer to one request to its end. */
export class AnswerReader {
  result: ResponseRead | null = null;
  readonly done: Promise<ResponseRead>;

  constructor(asked: ClientRequest, event: () => void = () => undefined) {
    this.done = new Promise((resolve) => {
      let whole: (() => ResponseRead | null) | null = null;
      // Surplus bytes behind a whole message break the connection, not the message.
      const settle = (result: ResponseRead): void => {
        event();
        this.result ??= whole?.() ?? result;
        resolve(this.result);
      };
      asked.on('error', () => settle(BROKEN));
      asked.on('upgrade', (_response, socket) => {
        socket.destroy();
        settle({ ...BROKEN, kind: 'switched', status: 101 });
      });
      asked.on('response', (response) => {
        event();
        const chunks: Buffer[] = [];
        whole = () => {
          if (!response.complete) return null;
          readOn(response);
          const { statusCode = 0, rawHeaders } = response;
          return {
            kind: 'whole',
            status: statusCode,
            fields: rawHeaders,
            body: Buffer.concat(chunks).toString('latin1'),
          };
        };
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          event();
        });
        response.on('error', () => settle(BROKEN));
        response.on('close', () => settle(BROKEN));
        response.on('end', () => settle(BROKEN));
      });
    });
  }
}

/** One side of a connection without a network: gives the bytes once, takes and forgets what is written. */
class BytePipe extends Duplex {
  readonly #wrote: () => void;

  constructor(text: string, wrote: () => void) {
    super({ allowHalfOpen: true });
    this.#wrote = wrote;
    this.push(Buffer.from(text, 'latin1'));
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    this.#wrote();
    done();
  }
}

/** Everything happens in this process: a few turns without an event mean that there will be none. */
async function quiet(events: () => number): Promise<void> {
  let last = events();
  for (let turns = 0; turns < QUIET_TURNS; turns++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (events() !== last) turns = -1;
    last = events();
  }
}
