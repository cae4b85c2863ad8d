/** The sending end of a snapshot stream, with a receiver that stops half way: it must be given up, or its slot is lost. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { ByteWriter } from '../codec/bytes.ts';
import type { Clock } from '../driver/ports.ts';
import { chunksOf, CONF } from '../testing/storage-suite.ts';
import { Connection } from './connection.ts';
import { FrameType, writeFrame } from './framing.ts';
import { SNAPSHOT_FRAME_BYTES } from './limits.ts';
import { streamSnapshot } from './snapshot-stream.ts';

const sockets: Socket[] = [];
let server: Server | null = null;

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

/** A clock that stands still; what waits for it is rung by hand. */
class StoppedClock implements Clock {
  readonly pending = new Set<() => void>();
  readonly nowMs = (): number => 0;
  readonly wallMs = (): number => 0;
  readonly immediate = (run: () => void): void => void setImmediate(run);
  readonly setTimer = (_atMs: number, run: () => void): { cancel: () => void } => {
    this.pending.add(run);
    return { cancel: () => void this.pending.delete(run) };
  };
}

/** A stream to a receiver that answers where to resume, and then only what `receive` does. */
async function streaming(receive: (socket: Socket) => void, bytes: number) {
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.push(socket);
    const writer = new ByteWriter();
    writeFrame(writer, FrameType.snapshotResume, (frame) => frame.u53(0));
    socket.once('data', () => {
      socket.write(writer.done());
      receive(socket);
    });
  });
  server = listener;
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const clock = new StoppedClock();
  const socket = connect({ host: '127.0.0.1', port: (listener.address() as AddressInfo).port });
  sockets.push(socket);
  const connection = new Connection(socket, clock, { onFrame: () => undefined, onClosed: () => undefined });
  connection.admit(SNAPSHOT_FRAME_BYTES, SNAPSHOT_FRAME_BYTES);
  const meta = { index: 9, term: 2, conf: CONF, digest: 'd', sizeBytes: bytes, checksum: 'c' };
  const read = (): AsyncIterable<Uint8Array> => chunksOf(Buffer.alloc(bytes), SNAPSHOT_FRAME_BYTES);
  const sent = streamSnapshot(connection, { term: 3, meta, read }, clock);
  const failure = sent.then(
    () => 'delivered',
    (error: unknown) => String(error),
  );
  return { failure, clock, socket };
}

test('a receiver that took everything and never says that it has it is given up', async () => {
  let received = 0;
  const { failure, clock } = await streaming((socket) => socket.on('data', (part) => (received += part.length)), 1_000);
  await waitFor('the last chunk', () => received > 1_000 && clock.pending.size === 1);
  for (const ring of clock.pending) ring();
  expect(await failure).toContain('silent');
});

test('a receiver that takes no more is given up', async () => {
  const { failure, clock, socket } = await streaming((other) => other.pause(), 64 * SNAPSHOT_FRAME_BYTES);
  await waitFor('a full socket', () => socket.writableNeedDrain && clock.pending.size === 1);
  for (const ring of clock.pending) ring();
  expect(await failure).toContain('silent');
});
