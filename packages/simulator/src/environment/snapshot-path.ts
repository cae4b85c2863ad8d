/**
 * Snapshot streams on the simulated network: announced, resumed, carried piece by piece, confirmed; broken off by cuts,
 * resets and the death of either end, in the middle of any piece.
 */
import type { SnapshotMeta } from '@flotilla/raft';
import type { Endpoint, SimNetwork } from './network.ts';

const PIECE_BYTES = 4096;

/** Streams under way, so that the end of a process ends them at the other side too. */
export class SnapshotStreams {
  /** Called when a stream goes on where an earlier one broke off. */
  onResumed: () => void = () => undefined;
  /** Pieces after which the next stream breaks; null: it does not. */
  #breakAfter: number | null = null;
  readonly #open = new Set<{ readonly ends: readonly string[]; readonly fail: () => void }>();

  add(ends: readonly string[], fail: () => void): () => void {
    const stream = { ends, fail };
    this.#open.add(stream);
    return () => void this.#open.delete(stream);
  }

  endOf(replica: string): void {
    for (const stream of [...this.#open]) if (stream.ends.includes(replica)) stream.fail();
  }

  /** Breaks the next stream off after so many pieces, as a reset of its connection would. */
  breakNext(pieces: number): void {
    this.#breakAfter = pieces;
  }

  /** A stream sent this many pieces. True where it breaks now. */
  breaksAt(pieces: number): boolean {
    if (this.#breakAfter === null || pieces < this.#breakAfter) return false;
    this.#breakAfter = null;
    return true;
  }
}

export interface OutboundStream {
  readonly network: SimNetwork;
  readonly streams: SnapshotStreams;
  readonly from: Endpoint;
  readonly to: string;
  readonly term: number;
  readonly meta: SnapshotMeta;
  readonly read: (offsetBytes: number) => AsyncIterable<Uint8Array>;
}

/** The receiving end: pieces in order, until the end or a failure. */
class Pieces {
  #items: Uint8Array[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  push(item: Uint8Array): void {
    this.#items.push(item);
    this.#wake?.();
  }

  end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#error !== null) throw this.#error;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function connected(network: SimNetwork, from: string, to: string): Endpoint {
  const target = network.transport(to);
  if (target === undefined || !network.isUp(from, to)) throw new Error('no connection');
  return target;
}

/** Resolves when the receiver confirmed; rejects when either refused or the stream broke. */
export async function streamSnapshot(stream: OutboundStream): Promise<void> {
  const { network, streams, from, to, term, meta, read } = stream;
  const target: Endpoint = connected(network, from.replica, to);
  const pieces = new Pieces();
  let failed = false;
  let breakOff: (error: Error) => void = () => undefined;
  const broken = new Promise<never>((_, reject) => {
    breakOff = reject;
  });
  // Awaited by whichever step is under way; where none is, nobody misses it.
  broken.catch(() => undefined);
  const fail = (): void => {
    if (failed) return;
    failed = true;
    close();
    const error = new Error('the stream broke');
    from.loop.io(() => breakOff(error));
    target.loop.io(() => pieces.end(error));
  };
  const close = streams.add([from.replica, to], fail);
  /** One hop; its effect happens in the receiver's loop. */
  const hop = (sender: Endpoint, receiver: Endpoint, bytes: number, arrive: () => void): Promise<void> =>
    new Promise((resolve) => {
      const delayMs = network.delayMs(sender.replica, receiver.replica, 'snapshot', bytes);
      network.after(delayMs, () => {
        if (failed) return;
        if (network.isBlocked(sender.replica, receiver.replica)) return fail();
        receiver.loop.io(arrive);
        from.loop.io(resolve);
      });
    });
  const step = <T>(work: Promise<T>): Promise<T> => Promise.race([work, broken]);

  const done = new Promise<string | null>((resolve) => {
    const answer = (reason: string | null): void => void hop(target, from, 64, () => resolve(reason));
    const resumed = new Promise<number>((resume) => {
      const begin = (): void => {
        const { handlers } = target;
        if (handlers === null) return fail();
        handlers
          .onSnapshot({
            from: from.replica,
            term,
            meta,
            chunks: pieces.read(),
            resumeAt: (offsetBytes) => void hop(target, from, 64, () => resume(offsetBytes)),
          })
          .then(
            () => answer(null),
            (error: unknown) => answer(String(error)),
          );
      };
      void hop(from, target, 256, begin);
    });
    send(resumed).catch(fail);
  });

  async function send(resumed: Promise<number>): Promise<void> {
    const offsetBytes = await step(resumed);
    if (offsetBytes > 0) streams.onResumed();
    let sent = 0;
    for await (const chunk of read(offsetBytes)) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const piece = Uint8Array.from(chunk.subarray(at, at + PIECE_BYTES));
        await step(hop(from, target, piece.length, () => pieces.push(piece)));
        sent += 1;
        if (streams.breaksAt(sent)) fail();
      }
    }
    await step(hop(from, target, 16, () => pieces.end(null)));
  }

  try {
    const refusal = await step(done);
    if (refusal !== null) throw new Error(`the receiver refused it: ${refusal}`);
  } finally {
    failed = true;
    close();
    target.loop.io(() => pieces.end(new Error('the stream is over')));
  }
}
