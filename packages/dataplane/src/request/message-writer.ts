/**
 * Where the request pipeline writes messages to: a socket of HTTP/1.1, or a stream of HTTP/2. The pipeline speaks HTTP/1.1 text to
 * both; a stream's writer translates.
 */

export interface MessageWriter {
  /** Frames of its own end a message: bodies of unknown length need no coding. */
  readonly framesBodies: boolean;
  readonly isEmpty: boolean;
  /** More is waiting than a source should be allowed to add to. */
  readonly isCongested: boolean;
  text(latin1: string): void;
  bytes(buffer: Buffer, start: number, end: number): void;
  /** As {@link bytes}, of a buffer that is read into again after this event. */
  copy(buffer: Buffer, start: number, end: number): void;
  /** The end of a body of unknown length: trailer lines and the empty line. */
  trailers(lines: string): void;
  flush(): void;
  /** No more from this side, after what was collected. */
  end(): void;
  /** What was not handed over yet is forgotten. */
  discard(): void;
  /** Bytes handed over since the last call. */
  takeBytes(): number;
}
