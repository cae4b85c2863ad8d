/** Peers that break the protocol or flood it: frames written by hand, what they may cost and how the connection ends. */
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { bed } from '../testing/http-bed.ts';
import { http2Client, http2Get } from '../testing/http2-peers.ts';
import { block, END, frame, getFields, headers, RawHttp2, word } from '../testing/raw-http2.ts';
import { rawRequest } from '../testing/raw-tcp.ts';
import { CODE, FLAG, FRAME, SETTING } from './protocol.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function rawBed() {
  const parts = await bed();
  const client = await RawHttp2.connect(parts.port);
  closers.push(() => client.close());
  return { ...parts, client };
}

describe('a violation of the protocol ends the connection', () => {
  const cases: [string, Buffer[], number][] = [
    ['no SETTINGS first', [], CODE.protocolError],
    ['DATA on stream 0', [frame(FRAME.data, 0, 0, 'x')], CODE.protocolError],
    ['DATA on an idle stream', [frame(FRAME.data, 0, 1, 'x')], CODE.protocolError],
    ['an even stream', [headers(2, getFields())], CODE.protocolError],
    ['a frame too large', [frame(FRAME.data, 0, 1, Buffer.alloc(16_385))], CODE.frameSizeError],
    ['PUSH_PROMISE', [frame(FRAME.pushPromise, FLAG.endHeaders, 1, word(2))], CODE.protocolError],
    ['SETTINGS on a stream', [frame(FRAME.settings, 0, 1)], CODE.protocolError],
    ['SETTINGS of odd length', [frame(FRAME.settings, 0, 0, 'abc')], CODE.frameSizeError],
    [
      'a window too large in SETTINGS',
      [frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0x80, 0, 0, 0]))],
      CODE.flowControlError,
    ],
    ['PING of odd length', [frame(FRAME.ping, 0, 0, 'abc')], CODE.frameSizeError],
    ['WINDOW_UPDATE of nothing', [frame(FRAME.windowUpdate, 0, 0, word(0))], CODE.protocolError],
    ['a window that overflows', [frame(FRAME.windowUpdate, 0, 0, word(0x7fffffff))], CODE.flowControlError],
    ['RST_STREAM of an idle stream', [frame(FRAME.rstStream, 0, 1, word(8))], CODE.protocolError],
    ['CONTINUATION from nowhere', [frame(FRAME.continuation, FLAG.endHeaders, 1)], CODE.protocolError],
    [
      'a frame within a header block',
      [headers(1, getFields(), 0), frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
      CODE.protocolError,
    ],
    ['padding longer than its frame', [frame(FRAME.headers, END | FLAG.padded, 1, '\xff')], CODE.protocolError],
    [
      'a header block that is none',
      [frame(FRAME.headers, END, 1, '\xff\xff\xff\xff\xff\xff\xff')],
      CODE.compressionError,
    ],
    ['an index beyond the tables', [frame(FRAME.headers, END, 1, Buffer.from([0xc0]))], CODE.compressionError],
    [
      'a table size beyond the limit',
      [frame(FRAME.headers, END, 1, Buffer.from([0x3f, 0xe2, 0x1f]))],
      CODE.compressionError,
    ],
  ];
  it.each(cases)('%s', async (name, frames, code) => {
    const { port, backend } = await bed();
    const greeting =
      name === 'no SETTINGS first' ? frame(FRAME.ping, 0, 0, Buffer.alloc(8)) : frame(FRAME.settings, 0, 0);
    const client = await RawHttp2.connect(port, greeting);
    closers.push(() => client.close());
    client.send(...frames);
    await waitFor('GOAWAY', () => client.goawayCode >= 0);
    expect(client.goawayCode).toBe(code);
    await waitFor('the end', () => client.peer.ended || client.peer.closed);
    expect(backend.received).toBe('');
  });

  it('a wrong preface is no HTTP/2', async () => {
    const { port } = await bed();
    expect(await rawRequest(port, 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')).not.toContain('HTTP/1.1');
  });
});

describe('floods', () => {
  const flood = async (client: RawHttp2, bytes: (round: number) => Buffer) => {
    for (let round = 0; round < 400 && client.goawayCode < 0 && !client.peer.closed; round++) {
      client.send(bytes(round));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor('GOAWAY', () => client.goawayCode >= 0);
    expect(client.goawayCode).toBe(CODE.enhanceYourCalm);
  };
  const many = (count: number, make: (index: number) => Buffer) =>
    Buffer.concat(Array.from({ length: count }, (_, at) => make(at)));

  it.each([
    ['PING', () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', () => frame(FRAME.settings, 0, 0)],
    ['PRIORITY', () => frame(FRAME.priority, 0, 1, Buffer.alloc(5))],
    ['unknown frames', () => frame(0xbe, 0, 0, 'x')],
  ])('%s', async (_name, make) => {
    const { client } = await rawBed();
    await flood(client, () => many(50, make));
  });

  it('empty DATA', async () => {
    const { client } = await rawBed();
    client.send(headers(1, [[':method', 'POST'], ...getFields().slice(1)], FLAG.endHeaders));
    await flood(client, () => many(50, () => frame(FRAME.data, 0, 1)));
  });

  it('rapid reset: streams that are opened and taken back', async () => {
    const { client, proxy } = await rawBed();
    await flood(client, (round) =>
      many(10, (at) => {
        const id = (round * 10 + at) * 2 + 1;
        return Buffer.concat([headers(id, getFields()), frame(FRAME.rstStream, 0, id, word(CODE.cancel))]);
      }),
    );
    await waitFor('nothing in flight', () => proxy.backend('app', 'b1').runtime.inFlight() === 0);
    const stats = proxy.stats.listener('web');
    expect(stats.errors.get('http2-flood')).toBe(1);
  });

  describe('made you reset: streams that are opened and broken, for us to take back', () => {
    const short = [[':method', 'POST'], ...getFields(['content-length', '1']).slice(1)] as const;
    const breaks: [string, (id: number) => Buffer[]][] = [
      ['WINDOW_UPDATE of nothing', (id) => [headers(id, getFields()), frame(FRAME.windowUpdate, 0, id, word(0))]],
      ['a window too large', (id) => [headers(id, getFields()), frame(FRAME.windowUpdate, 0, id, word(0x7fffffff))]],
      ['DATA after the end', (id) => [headers(id, getFields()), frame(FRAME.data, 0, id, 'x')]],
      ['HEADERS after the end', (id) => [headers(id, getFields()), headers(id, getFields())]],
      ['a body longer than its length', (id) => [headers(id, short, FLAG.endHeaders), frame(FRAME.data, 0, id, 'xyz')]],
      ['fields that are none', (id) => [headers(id, getFields(['connection', 'x']))]],
    ];
    it.each(breaks)('%s', async (_name, make) => {
      const { port } = await bed(() => null);
      const client = await RawHttp2.connect(port);
      closers.push(() => client.close());
      await flood(client, (round) => many(10, (at) => Buffer.concat(make((round * 10 + at) * 2 + 1))));
    });
  });

  it('CONTINUATION without end, by count and by size', async () => {
    for (const payload of ['', 'x'.repeat(16_000)]) {
      const { client, backend } = await rawBed();
      client.send(headers(1, getFields(), 0));
      await flood(client, () => many(5, () => frame(FRAME.continuation, 0, 1, payload)));
      expect(backend.received).toBe('');
    }
  });

  it('a header bomb is read to its end, dropped, and answered 431', async () => {
    const { client, backend } = await rawBed();
    // One field of 3,000 bytes into the table, then 8,000 times its index: 24 MB in 11 KB.
    const entry = Buffer.concat([Buffer.from([0x40, 1, 0x62, 127, 57 | 0x80, 22]), Buffer.alloc(3_000, 'x')]);
    client.send(frame(FRAME.headers, END, 1, Buffer.concat([block(getFields()), entry, Buffer.alloc(8_000, 0xbe)])));
    await waitFor('an answer', () => client.of(FRAME.headers).length > 0 || client.goawayCode >= 0);
    expect(client.of(FRAME.headers)[0]?.payload.includes('431')).toBe(true);
    await client.stillServes(3);
    expect(backend.received.match(/ HTTP\/1\.1\r\n/g)?.length).toBe(1);
  });

  it('more streams than allowed are refused, not queued', async () => {
    const { backend, port } = await bed(() => null);
    const client = await RawHttp2.connect(port);
    closers.push(() => client.close());
    client.send(many(130, (at) => headers(at * 2 + 1, getFields())));
    await waitFor('refusals', () => client.of(FRAME.rstStream).length === 2);
    expect(client.resetCode(257)).toBe(CODE.refusedStream);
    await waitFor('the others', () => backend.peers.length === 128);
  });

  it('a client that sends beyond its window is reset', async () => {
    const { client } = await rawBed();
    const silent = await bed(() => null);
    const other = await RawHttp2.connect(silent.port);
    closers.push(() => other.close());
    client.close();
    other.send(headers(1, [[':method', 'POST'], ...getFields().slice(1)], FLAG.endHeaders));
    const peer = await silent.backend.peer();
    peer.socket.pause();
    const part = frame(FRAME.data, 0, 1, Buffer.alloc(16_384));
    for (let count = 0; count < 4_000 && other.resetCode(1) < 0 && other.goawayCode < 0; count++) {
      other.send(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor('the reset', () => other.resetCode(1) >= 0 || other.goawayCode >= 0);
    expect([other.resetCode(1), other.goawayCode]).toContain(CODE.flowControlError);
  });
});

it('limits and settings are said up front', async () => {
  const { client } = await rawBed();
  await waitFor('SETTINGS', () => client.of(FRAME.settings).length > 0);
  const payload = client.of(FRAME.settings)[0]?.payload ?? Buffer.alloc(0);
  const said = new Map<number, number>();
  for (let at = 0; at < payload.length; at += 6) said.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  expect(said.get(SETTING.maxConcurrentStreams)).toBe(128);
  expect(said.get(SETTING.maxHeaderListSize)).toBe(32_768);
  expect(said.get(SETTING.enableConnectProtocol)).toBe(1);
});

it('a body limit counts DATA', async () => {
  const { port } = await bed(() => null, { listener: { maxRequestBodyBytes: 10 } });
  const session = await http2Client(port);
  closers.push(() => session.destroy());
  const answer = await http2Get(session, { ':path': '/', ':method': 'POST' }, 'x'.repeat(11));
  expect(answer.headers[':status']).toBe(413);
});
