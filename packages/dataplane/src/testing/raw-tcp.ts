/**
 * Both ends of a proxied connection as bytes: a client that sends exactly what a test says, and a backend that answers exactly
 * what it says, however wrong.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { waitFor } from '@flotilla/shared/testing';

/** Bytes of one side of a connection, as Latin-1. */
export class RawPeer {
  readonly socket: Socket;
  received = '';
  ended = false;
  closed = false;
  error: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => (this.received += chunk.toString('latin1')));
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', (error) => (this.error = error));
  }

  send(latin1: string): void {
    this.socket.write(latin1, 'latin1');
  }

  async until(what: string, condition: (received: string) => boolean): Promise<string> {
    await waitFor(`${what}; got ${JSON.stringify(this.received.slice(0, 2_000))}`, () => condition(this.received), {
      everyMs: 2,
    });
    return this.received;
  }

  async contains(text: string): Promise<string> {
    return this.until(JSON.stringify(text), (received) => received.includes(text));
  }

  /** Everything up to the end that the other side makes. */
  async toEnd(): Promise<string> {
    await waitFor(`end of ${JSON.stringify(this.received.slice(0, 500))}`, () => this.ended || this.closed, {
      everyMs: 2,
    });
    return this.received;
  }
}

export async function rawClient(port: number): Promise<RawPeer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const peer = new RawPeer(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return peer;
}

/** Sends, and reads until the proxy ends the connection. */
export async function rawRequest(port: number, latin1: string): Promise<string> {
  const client = await rawClient(port);
  client.send(latin1);
  const answer = await client.toEnd();
  client.socket.destroy();
  return answer;
}

/** Complete requests in what a backend received: head and, by Content-Length or chunks, body. */
function requestCount(received: string): number {
  let count = 0;
  let at = 0;
  for (;;) {
    const headEnd = received.indexOf('\r\n\r\n', at);
    if (headEnd < 0) return count;
    const head = received.slice(at, headEnd).toLowerCase();
    at = headEnd + 4;
    if (head.includes('transfer-encoding: chunked')) {
      const end = received.startsWith('0\r\n', at) ? at : received.indexOf('\r\n0\r\n', at);
      const stop = end < 0 ? -1 : received.indexOf('\r\n\r\n', end);
      if (stop < 0) return count;
      at = stop + 4;
    } else {
      const mark = head.indexOf('content-length: ');
      at += mark < 0 ? 0 : Number.parseInt(head.slice(mark + 16), 10);
    }
    if (at > received.length) return count;
    count++;
  }
}

export class RawBackend {
  readonly peers: RawPeer[] = [];
  #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** All that ever arrived. */
  get received(): string {
    return this.peers.map((peer) => peer.received).join('');
  }

  async peer(index = 0): Promise<RawPeer> {
    return waitFor(`connection ${index}`, () => this.peers[index], { everyMs: 2 });
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.socket.destroy();
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Answers every complete request with what `answer` says; null: nothing, the test does it. */
  static async start(answer: (request: number, peer: RawPeer) => string | null, port = 0): Promise<RawBackend> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const backend = new RawBackend(server);
    server.on('connection', (socket) => {
      const peer = new RawPeer(socket);
      backend.peers.push(peer);
      let answered = 0;
      socket.on('data', () => {
        while (answered < requestCount(peer.received)) {
          const text = answer(answered++, peer);
          if (text !== null && !socket.destroyed) peer.send(text);
        }
      });
      socket.on('end', () => {
        if (!socket.destroyed) socket.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return backend;
  }
}

export const OK_RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
