/** gRPC end to end with the client and the server of grpc-js on both sides: the four kinds, deadlines, cancellation, statuses. */
import { credentials, makeGenericClientConstructor, Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { Client, ServiceDefinition, ServiceError, UntypedServiceImplementation } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { startProxy } from '../testing/http-bed.ts';
import type { HttpBedOptions } from '../testing/http-bed.ts';
import type { RequestHead } from '../http1/head.ts';
import { grpcDeadlineMs } from './grpc.ts';

/** Messages are their own bytes: what is under test is the way, not the cargo. */
const same = (value: Buffer): Buffer => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
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

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

// grpc-js makes the methods of a generic client at run time.
type EchoClient = Client & Record<string, (...args: unknown[]) => never>;

async function echoBed(calls: Record<string, (call: never, callback: never) => void>, options: HttpBedOptions = {}) {
  const server = new Server();
  server.addService(service, calls as unknown as UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  closers.push(() => server.forceShutdown());
  const proxy = await startProxy([port], { ...options, upstream: { protocol: 'h2c', ...options.upstream } });
  const Echo = makeGenericClientConstructor(service, 'Echo');
  const client = new Echo(`127.0.0.1:${proxy.port}`, credentials.createInsecure()) as unknown as EchoClient;
  closers.push(() => client.close());
  return { client, proxy, server };
}

interface Call {
  on(event: string, listener: (value: never) => void): Call;
  write(value: Buffer): void;
  end(): void;
  cancel(): void;
}

describe('gRPC through the proxy', () => {
  it('unary, with metadata both ways and a status in the trailers', async () => {
    const { client } = await echoBed({
      unary: (call: never, callback: never) => {
        const { request, metadata } = call as { request: Buffer; metadata: Metadata };
        const trailer = new Metadata();
        trailer.set('x-seen', String(metadata.get('x-token')[0]));
        (callback as (...args: unknown[]) => void)(null, Buffer.from(`<${request.toString()}>`), trailer);
      },
    });
    const metadata = new Metadata();
    metadata.set('x-token', 'secret');
    let seen = '';
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const call = client['unary']?.(Buffer.from('hello'), metadata, (error: ServiceError | null, value: Buffer) =>
        error === null ? resolve(value) : reject(error),
      ) as unknown as Call;
      call.on('status', (end: { metadata: Metadata }) => (seen = String(end.metadata.get('x-seen')[0])));
    });
    expect(answer.toString()).toBe('<hello>');
    await waitFor('the status', () => seen === 'secret');
  });

  it('a failed call keeps its code and message', async () => {
    const { client } = await echoBed({
      unary: (_call: never, callback: never) =>
        (callback as (error: unknown) => void)({ code: status.FAILED_PRECONDITION, details: 'not today' }),
    });
    const error = await new Promise<ServiceError>((resolve) => {
      client['unary']?.(Buffer.from(''), (failure: ServiceError) => resolve(failure));
    });
    expect(error.code).toBe(status.FAILED_PRECONDITION);
    expect(error.details).toBe('not today');
  });

  it('client streaming', async () => {
    const { client } = await echoBed({
      upload: (call: never, callback: never) => {
        const parts: string[] = [];
        (call as Call).on('data', (part: Buffer) => parts.push(part.toString()));
        (call as Call).on('end', () => (callback as (...args: unknown[]) => void)(null, Buffer.from(parts.join('+'))));
      },
    });
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const call = client['upload']?.((error: ServiceError | null, value: Buffer) =>
        error === null ? resolve(value) : reject(error),
      ) as unknown as Call;
      for (const part of ['a', 'b', 'c'.repeat(100_000)]) call.write(Buffer.from(part));
      call.end();
    });
    expect(answer.toString()).toBe(`a+b+${'c'.repeat(100_000)}`);
  });

  it('server streaming', async () => {
    const { client } = await echoBed({
      download: (call: never) => {
        const stream = call as unknown as Call;
        for (let count = 0; count < 50; count++) stream.write(Buffer.from(`${count}`.repeat(1_000)));
        stream.end();
      },
    });
    const parts: number[] = [];
    const call = client['download']?.(Buffer.from('')) as unknown as Call;
    call.on('data', (part: Buffer) => parts.push(part.length));
    const end = await new Promise<{ code: number }>((resolve) => call.on('status', resolve));
    expect(end.code).toBe(status.OK);
    expect(parts.length).toBe(50);
  });

  it('both ways at once, message by message', async () => {
    const { client } = await echoBed({
      chat: (call: never) => {
        const stream = call as unknown as Call;
        stream.on('data', (part: Buffer) => stream.write(Buffer.from(part.toString().toUpperCase())));
        stream.on('end', () => stream.end());
      },
    });
    const heard: string[] = [];
    const call = client['chat']?.() as unknown as Call;
    call.on('data', (part: Buffer) => heard.push(part.toString()));
    const end = new Promise<{ code: number }>((resolve) => call.on('status', resolve));
    for (const word of ['one', 'two', 'three']) {
      call.write(Buffer.from(word));
      await waitFor(word, () => heard.includes(word.toUpperCase()));
    }
    call.end();
    expect((await end).code).toBe(status.OK);
  });

  it('a cancelled call is cancelled at the backend', async () => {
    let cancelled = false;
    let begun = false;
    const { client, proxy } = await echoBed({
      chat: (call: never) => {
        begun = true;
        (call as Call).on('cancelled', () => (cancelled = true));
      },
    });
    const call = client['chat']?.() as unknown as Call;
    call.on('error', () => {});
    call.write(Buffer.from('x'));
    await waitFor('the call', () => begun);
    call.cancel();
    await waitFor('the cancellation', () => cancelled);
    await waitFor('nothing in flight', () => proxy.backend('app', 'b1').runtime.inFlight() === 0);
  });

  it('a deadline reaches the backend and ends the call', async () => {
    let remaining = 0;
    const { client } = await echoBed({
      unary: (call: never) => {
        remaining = (call as { getDeadline(): Date }).getDeadline().valueOf() - Date.now();
      },
    });
    const error = await new Promise<ServiceError>((resolve) => {
      client['unary']?.(Buffer.from(''), { deadline: Date.now() + 300 }, (failure: ServiceError) => resolve(failure));
    });
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    expect(remaining).toBeGreaterThan(0);
    expect(remaining).toBeLessThanOrEqual(300);
  });

  it('no backend is UNAVAILABLE', async () => {
    const { client, server } = await echoBed(
      {},
      { pool: { retry: { attempts: 0, on: [], budgetRatio: 0, budgetMinCount: 0 } } },
    );
    server.forceShutdown();
    const error = await new Promise<ServiceError>((resolve) => {
      client['unary']?.(Buffer.from(''), (failure: ServiceError) => resolve(failure));
    });
    expect(error.code).toBe(status.UNAVAILABLE);
  });
});

describe('grpc-timeout', () => {
  const headWith = (value: string | undefined) => ({ field: () => value }) as unknown as RequestHead;
  it.each([
    ['1S', 1_000],
    ['250m', 250],
    ['2H', 7_200_000],
    ['99999999n', 99.999999],
    ['', 0],
    ['S', 0],
    ['1x', 0],
    ['-1S', 0],
    ['123456789S', 0],
  ])('%s is %d ms', (value, expected) => {
    expect(grpcDeadlineMs(headWith(value))).toBeCloseTo(expected, 6);
  });
  it('is none where there is none', () => expect(grpcDeadlineMs(headWith(undefined))).toBe(0));
});
