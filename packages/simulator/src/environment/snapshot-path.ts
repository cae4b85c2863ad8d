/**
 * Snapshot streams on the simulated network: announced, resumed, carried piece by piece, confirmed; broken off by cuts,
 * resets and the death of either end, in the middle of any piece.
 */
import type { SnapshotMeta } from '@flotilla/raft';
import type { Endpoint, SimNetwork } from './network.ts';

const PIECE_BYTES = 4096;
/** Of the messages beside the pieces, about as large as the real ones: they decide how long each takes. */
const OFFER_BYTES = 256;
const ANSWER_BYTES = 64;
const END_BYTES = 16;

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

/** One stream under way. Each step is raced by its breaking, of which both ends learn in their own loops. */
class Transfer {
  readonly #stream: OutboundStream;
  readonly #target: Endpoint;
  readonly #pieces = new Pieces();
  readonly #broken = Promise.withResolvers<never>();
  #unlist: () => void = () => undefined;
  #isOver = false;

  constructor(stream: OutboundStream, target: Endpoint) {
    this.#stream = stream;
    this.#target = target;
  }

  /** The receiver's answer: null where it has everything, else why it refused. Rejects where the stream breaks. */
  run(): Promise<string | null> {
    const { streams, from, to } = this.#stream;
    // Awaited by whichever step is under way; where none is, nobody misses it.
    this.#broken.promise.catch(() => undefined);
    this.#unlist = streams.add([from.replica, to], () => this.#fail());
    const answered = new Promise<string | null>((answer) => {
      const resumed = new Promise<number>((resume) => {
        void this.#hop(from, this.#target, OFFER_BYTES, () => this.#offer(resume, answer));
      });
      this.#send(resumed).catch(() => this.#fail());
    });
    return this.#step(answered);
  }

  end(): void {
    this.#isOver = true;
    this.#unlist();
    this.#target.loop.io(() => this.#pieces.end(new Error('the stream is over')));
  }

  #fail(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unlist();
    const error = new Error('the stream broke');
    this.#stream.from.loop.io(() => this.#broken.reject(error));
    this.#target.loop.io(() => this.#pieces.end(error));
  }

  /** In the receiver's loop. */
  #offer(resume: (offsetBytes: number) => void, answer: (refusal: string | null) => void): void {
    const { from, term, meta } = this.#stream;
    const { handlers } = this.#target;
    if (handlers === null) return this.#fail();
    const say = (then: () => void): void => void this.#hop(this.#target, from, ANSWER_BYTES, then);
    handlers
      .onSnapshot({
        from: from.replica,
        term,
        meta,
        chunks: this.#pieces.read(),
        resumeAt: (offsetBytes) => say(() => resume(offsetBytes)),
      })
      .then(
        () => say(() => answer(null)),
        (error: unknown) => say(() => answer(String(error))),
      );
  }

  /** In the sender's loop. */
  async #send(resumed: Promise<number>): Promise<void> {
    const { streams, from, read } = this.#stream;
    const offsetBytes = await this.#step(resumed);
    if (offsetBytes > 0) streams.onResumed();
    let sent = 0;
    for await (const chunk of read(offsetBytes)) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const piece = Uint8Array.from(chunk.subarray(at, at + PIECE_BYTES));
        await this.#step(this.#hop(from, this.#target, piece.length, () => this.#pieces.push(piece)));
        sent += 1;
        if (streams.breaksAt(sent)) this.#fail();
      }
    }
    await this.#step(this.#hop(from, this.#target, END_BYTES, () => this.#pieces.end(null)));
  }

  #step<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#broken.promise]);
  }

  /** One way across the network; its effect happens in the receiver's loop. */
  #hop(sender: Endpoint, receiver: Endpoint, bytes: number, arrive: () => void): Promise<void> {
    const { network, from } = this.#stream;
    return new Promise((resolve) => {
      const delayMs = network.delayMs(sender.replica, receiver.replica, 'snapshot', bytes);
      network.after(delayMs, () => {
        if (this.#isOver) return;
        if (network.isBlocked(sender.replica, receiver.replica)) return this.#fail();
        receiver.loop.io(arrive);
        from.loop.io(resolve);
      });
    });
  }
}

/** Resolves when the receiver confirmed; rejects when either refused or the stream broke. */
export async function streamSnapshot(stream: OutboundStream): Promise<void> {
  const transfer = new Transfer(stream, connected(stream.network, stream.from.replica, stream.to));
  try {
    const refusal = await transfer.run();
    if (refusal !== null) throw new Error(`the receiver refused it: ${refusal}`);
  } finally {
    transfer.end();
  }
}
