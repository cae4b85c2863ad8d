/**
 * A snapshot on a connection of its own: announced, resumed where the last attempt broke off, sent with backpressure, and
 * confirmed only when the receiver has stored and verified it.
 *
 *   sender → begin (term, meta)   receiver → resume (offset)
 *   sender → chunk … end          receiver → done (ok, reason)
 */
import { ByteReader, FormatError } from '../codec/bytes.ts';
import { readSnapshotMeta, writeSnapshotMeta } from '../codec/meta.ts';
import type { ReplicaId, SnapshotMeta, Term } from '../core/types.ts';
import type { Clock, TransportHandlers } from '../driver/ports.ts';
import type { Connection } from './connection.ts';
import { FrameType } from './framing.ts';
import { SNAPSHOT_ANSWER_TIMEOUT_MS, SNAPSHOT_FRAME_BYTES, SNAPSHOT_WAITING_MAX_COUNT } from './limits.ts';

export interface OutboundSnapshot {
  readonly term: Term;
  readonly meta: SnapshotMeta;
  readonly read: (offsetBytes: number) => AsyncIterable<Uint8Array>;
}

/** Resolves when the receiver confirmed; rejects with its reason or with how the connection ended. */
export async function streamSnapshot(connection: Connection, snapshot: OutboundSnapshot, clock: Clock): Promise<void> {
  const answers = new Answers(connection);
  connection.send(FrameType.snapshotBegin, (writer) => {
    writer.u53(snapshot.term);
    writeSnapshotMeta(writer, snapshot.meta);
  });
  const inTime = <T>(wait: Promise<T>): Promise<T> => {
    const timer = clock.setTimer(clock.nowMs() + SNAPSHOT_ANSWER_TIMEOUT_MS, () => connection.close('silent'));
    return wait.finally(() => timer.cancel());
  };
  try {
    const resumeAt = new ByteReader(await inTime(answers.next(FrameType.snapshotResume))).u53();
    for await (const chunk of snapshot.read(resumeAt)) {
      for (let at = 0; at < chunk.length; at += SNAPSHOT_FRAME_BYTES) {
        const part = chunk.subarray(at, at + SNAPSHOT_FRAME_BYTES);
        connection.send(FrameType.snapshotChunk, (writer) => writer.raw(part));
        await inTime(connection.drained());
        if (connection.closed) throw await answers.failure();
      }
    }
    connection.send(FrameType.snapshotEnd, () => undefined);
    const done = new ByteReader(await inTime(answers.next(FrameType.snapshotDone)));
    if (!done.bool()) throw new Error(`the receiver refused it: ${done.text()}`);
  } finally {
    connection.end();
  }
}

/** The receiver's frames, awaited one at a time. */
class Answers {
  #waiting: { type: number; resolve: (payload: Buffer) => void; reject: (error: Error) => void } | null = null;
  #held: { type: number; payload: Buffer } | null = null;
  #failure: Error | null = null;

  constructor(connection: Connection) {
    connection.handlers = {
      onFrame: (type, payload) => {
        if (type === FrameType.pong) return;
        // A refusal may come at any time; it ends the transfer.
        if (type === FrameType.snapshotDone && this.#waiting?.type !== type) {
          const reader = new ByteReader(payload);
          if (!reader.bool()) {
            this.#fail(new Error(`the receiver refused it: ${reader.text()}`));
            connection.close('local');
            return;
          }
        }
        this.#held = { type, payload };
        this.#match();
      },
      onClosed: (cause) => this.#fail(new Error(`connection over: ${cause}`)),
    };
  }

  next(type: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { type, resolve, reject };
      if (this.#failure) reject(this.#failure);
      else this.#match();
    });
  }

  failure(): Promise<Error> {
    return Promise.resolve(this.#failure ?? new Error('connection over'));
  }

  #match(): void {
    if (this.#waiting === null || this.#held === null) return;
    const { type, payload } = this.#held;
    if (type === this.#waiting.type) this.#waiting.resolve(payload);
    else this.#waiting.reject(new FormatError(`frame ${type} in a snapshot stream`));
    this.#waiting = null;
    this.#held = null;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = null;
  }
}

/** Serves the receiving end of one stream on an accepted connection. */
export function acceptSnapshot(connection: Connection, from: ReplicaId, handlers: TransportHandlers): void {
  const chunks = new ChunkQueue(connection);
  let begun = false;
  const done = (ok: boolean, reason: string): void => {
    connection.send(FrameType.snapshotDone, (writer) => {
      writer.bool(ok);
      writer.text(reason.slice(0, 1000));
    });
    connection.end();
  };
  connection.handlers = {
    onFrame: (type, payload) => {
      if (type === FrameType.ping) {
        connection.send(FrameType.pong, () => undefined);
      } else if (type === FrameType.snapshotBegin && !begun) {
        begun = true;
        const reader = new ByteReader(payload);
        const term = reader.u53();
        const meta = readSnapshotMeta(reader);
        reader.finish();
        const resumeAt = (offsetBytes: number): void => {
          connection.send(FrameType.snapshotResume, (writer) => writer.u53(offsetBytes));
        };
        handlers.onSnapshot({ from, term, meta, chunks, resumeAt }).then(
          () => done(true, ''),
          (error: unknown) => done(false, String(error)),
        );
      } else if (type === FrameType.snapshotChunk && begun) {
        chunks.push(payload);
      } else if (type === FrameType.snapshotEnd && begun) {
        chunks.end();
      } else {
        throw new FormatError(`frame ${type} in a snapshot stream`);
      }
    },
    onClosed: (cause) => chunks.fail(new Error(`connection over: ${cause}`)),
  };
}

/** Chunks between the socket and the disk; pauses the socket while the disk is behind. */
class ChunkQueue implements AsyncIterable<Uint8Array> {
  readonly #connection: Connection;
  readonly #chunks: Buffer[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    if (this.#chunks.length >= SNAPSHOT_WAITING_MAX_COUNT) this.#connection.socket.pause();
    this.#wakeUp();
  }

  end(): void {
    this.#ended = true;
    this.#wakeUp();
  }

  fail(error: Error): void {
    if (!this.#ended) this.#error ??= error;
    this.#wakeUp();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        continue;
      }
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      this.#connection.socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
