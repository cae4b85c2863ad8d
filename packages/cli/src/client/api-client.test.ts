/** The client fails over, waits for a leader, and repeats a write only where it certainly changed nothing. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiClient, ApiError, UnknownOutcomeError, UnreachableError } from './api-client.ts';
import { parseServers } from './servers.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** What says of itself that it is a node, as nodes do, and answers the rest by `handler`. */
const serve = (handler: Handler): Promise<string> =>
  listen((request, response) => (request.url === '/live' ? answer(200, { live: true }) : handler)(request, response));

async function listen(handler: Handler): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const client = (list: readonly string[], retryForMs = 0): ApiClient =>
  new ApiClient({ servers: parseServers(list.join(',')), token: 'secret', retryForMs });

const answer =
  (status: number, body: object, headers: Record<string, string> = {}): Handler =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

const refuse = (code: string): Handler => answer(503, { error: { code, message: code, hint: 'wait', retry: 'after' } });
const NOBODY = '127.0.0.1:9';

describe('reads', () => {
  it('asks the next server where one does not answer, and remembers which did', async () => {
    let asked = 0;
    const good = await serve((request, response) => {
      asked += 1;
      answer(200, { n: asked, auth: request.headers.authorization }, { etag: '"17"' })(request, response);
    });
    const api = client([NOBODY, good]);
    const first = await api.call<{ auth: string }>({ path: '/v1/config' });
    expect(first.revision).toBe('17');
    expect(first.body.auth).toBe('Bearer secret');
    expect((await api.call<{ n: number }>({ path: '/v1/config' })).body.n).toBe(2);
  });

  it('says which servers it tried', async () => {
    const error = await client([NOBODY])
      .get('/v1/status')
      .catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(UnreachableError);
    expect((error as Error).message).toContain(NOBODY);
  });
});

describe('writes', () => {
  const write = { method: 'PATCH', path: '/v1/pools/api/backends/b1', body: { weight: 1 } };

  it('goes to another server where one has no quorum', async () => {
    const alone = await serve(refuse('NO_QUORUM'));
    const good = await serve(answer(200, { revision: 5 }));
    expect((await client([alone, good]).call<{ revision: number }>(write)).body.revision).toBe(5);
  });

  it('waits for a leader', async () => {
    let asked = 0;
    const electing = await serve((request, response) => {
      asked += 1;
      (asked < 3 ? refuse('NO_LEADER') : answer(200, { revision: 6 }))(request, response);
    });
    expect((await client([electing], 5_000).call<{ revision: number }>(write)).body.revision).toBe(6);
    expect(asked).toBe(3);
  });

  it('gives up with the words of the API', async () => {
    const alone = await serve(refuse('NO_QUORUM'));
    const error = await client([alone])
      .call(write)
      .catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: 'NO_QUORUM', status: 503, hint: 'wait' });
  });

  it('is not repeated where it may have arrived', async () => {
    let second = 0;
    const breaksOff = await serve((request) => request.socket.destroy());
    const other = await serve((request, response) => {
      second += 1;
      answer(200, { revision: 7 })(request, response);
    });
    const error = await client([breaksOff, other], 1_000)
      .call(write)
      .catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect((error as Error).message).toContain('may or may not have been made');
    expect(second).toBe(0);
  });

  it('is not sent to a stranger, whose answer would pass for success', async () => {
    const changes: string[] = [];
    const stranger = await listen((request, response) => {
      if (request.method !== 'GET') changes.push(request.url ?? '');
      answer(200, { backend: 'b1', path: request.url })(request, response);
    });
    await expect(client([stranger]).call(write)).rejects.toThrow(`${stranger}: answers, but is not the API of a node`);
    const good = await serve(answer(200, { revision: 8 }));
    expect((await client([stranger, good]).call<{ revision: number }>(write)).body.revision).toBe(8);
    expect(changes).toEqual([]);
  });

  it('says where TLS is spoken to one that does not', async () => {
    const plain = await serve(answer(200, { revision: 9 }));
    await expect(client([`https://${plain}`]).call(write)).rejects.toThrow('does not speak TLS: http://');
  });
});

it('reads server-sent events across chunk borders', async () => {
  const parts = ['id: 1\nevent: config\nda', 'ta: {"a":1}\n\n: comment\n\nid: 2\ndata: x\n', '\n'];
  const server = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const part of parts) response.write(part);
    response.end();
  });
  const events = await Array.fromAsync(client([server]).events('/v1/watch', new AbortController().signal));
  expect(events).toEqual([
    { id: '1', event: 'config', data: '{"a":1}' },
    { id: '2', event: 'message', data: 'x' },
  ]);
});

it('understands addresses and refuses what is none', () => {
  expect(parseServers('h:1, https://x:2 ').map((url) => url.origin)).toEqual(['http://h:1', 'https://x:2']);
  expect(() => parseServers('ftp://x')).toThrow('ftp://x');
  expect(() => parseServers(' , ')).toThrow('no server');
});
