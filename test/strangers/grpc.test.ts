/** grpc-js on both sides of a real node, with TLS toward the client: the four kinds of calls, a deadline, a cancellation, an end. */
import { credentials, makeGenericClientConstructor, Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type {
  ChannelCredentials,
  Client,
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  ServiceError,
  sendUnaryData,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestAuthority } from '@flotilla/dataplane/testing';
import { waitFor } from '@flotilla/shared/testing';
import { Edge } from './edge.ts';

const MESSAGES = 50;

/** Messages are their own bytes: what is under test is the way, not the cargo. */
const same = (value: Buffer): Buffer => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/strangers.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const service: ServiceDefinition = {
  unary: method('Unary', false, false),
  upload: method('Upload', true, false),
  download: method('Download', false, true),
  chat: method('Chat', true, true),
};

type Answer = (error: ServiceError | null, value?: Buffer) => void;
interface Echo extends Client {
  unary(value: Buffer, metadata: Metadata, options: { deadline?: number }, answer: Answer): unknown;
  upload(answer: Answer): ClientWritableStream<Buffer>;
  download(value: Buffer): ClientReadableStream<Buffer>;
  chat(): ClientDuplexStream<Buffer, Buffer>;
}

let edge: Edge;
let server: Server;
let client: Echo;
let cancelled = 0;

beforeAll(async () => {
  server = new Server();
  server.addService(service, {
    unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      call.on('cancelled', () => cancelled++);
      const text = call.request.toString();
      if (text === 'never') return;
      if (text === 'refuse') answer({ code: status.FAILED_PRECONDITION, details: 'not today' });
      else answer(null, Buffer.from(`${text}, ${String(call.metadata.get('x-who')[0])}`));
    },
    upload: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      let bytes = 0;
      call.on('data', (part: Buffer) => (bytes += part.length));
      call.on('end', () => answer(null, Buffer.from(String(bytes))));
    },
    download: (call: ServerWritableStream<Buffer, Buffer>) => {
      call.on('cancelled', () => cancelled++);
      if (call.request.toString() === 'endless') call.write(Buffer.from('first'));
      else {
        for (let count = 0; count < MESSAGES; count++) call.write(Buffer.alloc(10_000, count));
        call.end();
      }
    },
    chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (part: Buffer) => call.write(Buffer.from(part.toString().toUpperCase())));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const authority = await TestAuthority.create();
  const site = await authority.issue('localhost');
  edge = await Edge.start({
    listeners: { grpc: { protocol: 'https', tls: { certificates: ['site'] } } },
    pools: { app: { ports: [port], pool: { upstream: { protocol: 'h2c' } } } },
    certificates: [{ name: 'site', ...site }],
  });
  const Constructor = makeGenericClientConstructor(service, 'Echo');
  const secure: ChannelCredentials = credentials.createSsl(Buffer.from(authority.certPem));
  client = new Constructor(`localhost:${edge.port('grpc')}`, secure) as unknown as Echo;
});
afterAll(async () => {
  client?.close();
  server?.forceShutdown();
  await edge?.[Symbol.asyncDispose]();
});

function unary(text: string, options: { deadline?: number } = {}): Promise<string> {
  const metadata = new Metadata();
  metadata.set('x-who', 'stranger');
  return new Promise((resolve, reject) => {
    client.unary(Buffer.from(text), metadata, options, (error, value) =>
      error === null ? resolve(String(value)) : reject(error),
    );
  });
}

it('unary: an answer, and an error with its code and words', async () => {
  expect(await unary('hello')).toBe('hello, stranger');
  await expect(unary('refuse')).rejects.toMatchObject({ code: status.FAILED_PRECONDITION, details: 'not today' });
});

it('client streaming: all of it arrives', async () => {
  const bytes = await new Promise<string>((resolve, reject) => {
    const call = client.upload((error, value) => (error === null ? resolve(String(value)) : reject(error)));
    for (let count = 0; count < MESSAGES; count++) call.write(Buffer.alloc(20_000));
    call.end();
  });
  expect(Number(bytes)).toBe(MESSAGES * 20_000);
});

it('server streaming: every message, in order, and the status after them', async () => {
  const call = client.download(Buffer.from('all'));
  const seen: number[] = [];
  const ended = new Promise<number>((resolve) => call.on('status', ({ code }) => resolve(code)));
  call.on('data', (part: Buffer) => seen.push(part[0] ?? -1));
  expect(await ended).toBe(status.OK);
  expect(seen).toEqual(Array.from({ length: MESSAGES }, (_, count) => count));
});

it('both ways at once: an answer to each message before the next is sent', async () => {
  const call = client.chat();
  for (const word of ['one', 'two', 'three']) {
    const answer = new Promise<Buffer>((resolve) => call.once('data', resolve));
    call.write(Buffer.from(word));
    expect(String(await answer)).toBe(word.toUpperCase());
  }
  const ended = new Promise<number>((resolve) => call.on('status', ({ code }) => resolve(code)));
  call.resume();
  call.end();
  expect(await ended).toBe(status.OK);
});

it('a deadline ends the call here and at the backend', async () => {
  const before = cancelled;
  await expect(unary('never', { deadline: Date.now() + 300 })).rejects.toMatchObject({
    code: status.DEADLINE_EXCEEDED,
  });
  await waitFor('the backend to be told', () => cancelled > before);
});

it('a cancelled stream is cancelled at the backend', async () => {
  const before = cancelled;
  const call = client.download(Buffer.from('endless'));
  const code = new Promise<number>((resolve) => call.on('error', (error: ServiceError) => resolve(error.code)));
  await new Promise((resolve) => call.once('data', resolve));
  call.cancel();
  expect(await code).toBe(status.CANCELLED);
  await waitFor('the backend to be told', () => cancelled > before);
});

it('while the node drains: GOAWAY, and what is under way is finished', async () => {
  const call = client.chat();
  const next = () => new Promise<Buffer>((resolve) => call.once('data', resolve));
  const first = next();
  call.write(Buffer.from('before'));
  expect(String(await first)).toBe('BEFORE');
  const drain = { body: { deadlineMs: 60_000 } };
  expect((await edge.node.call('PUT', '/v1/members/n1/drain?force=true', drain)).status).toBeLessThan(300);
  await waitFor('the drain', async () => (await edge.node.call('GET', '/ready')).status === 503);
  const second = next();
  call.write(Buffer.from('after'));
  expect(String(await second)).toBe('AFTER');
  const ended = new Promise<number>((resolve) => call.on('status', ({ code }) => resolve(code)));
  call.resume();
  call.end();
  expect(await ended).toBe(status.OK);
  expect((await edge.node.call('DELETE', '/v1/members/n1/drain')).status).toBeLessThan(300);
});
