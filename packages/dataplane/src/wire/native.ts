/**
 * The TCP handles beneath Node's sockets, where they are known to work the way that is used here. Node has no public access to them;
 * its sockets, made of two streams and an event emitter each, cost as much per request as everything else that the proxy does.
 *
 * The only file that knows how to get at them, and on which Node. On any other the sockets of Node do the same, slower.
 */

/** A write that the kernel did not take at once. */
export interface PendingWrite {
  oncomplete: (status: number) => void;
  /** What is being written must stay referred to. */
  buffer: unknown;
  /** Set where it completed before `oncomplete` was there. */
  writeStatus: number | null;
}

/** 0: all of it is with the kernel. Another number: the code of a failure. */
export type WriteOutcome = number | PendingWrite;

export interface StreamHandle {
  readonly writeQueueSize: number;
  onread: () => void;
  /** Reads go into this buffer, and nothing is allocated for them. */
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  writeLatin1String(request: null, text: string): WriteOutcome;
  writeBuffer(request: null, bytes: Uint8Array): WriteOutcome;
  /** Bytes and `'buffer'`, text and its encoding, in turns. */
  writev(request: null, chunks: readonly (string | Uint8Array)[], allBuffers: false): WriteOutcome;
  shutdown(request: object): number;
  close(closed: () => void): void;
}

export interface Address {
  address?: string;
  family?: string;
  port?: number;
}

export interface TcpHandle extends StreamHandle {
  setNoDelay(enable: boolean): number;
  getpeername(into: Address): number;
  getsockname(into: Address): number;
  /** Closes with RST. */
  reset(closed: () => void): number;
  onconnection?: (status: number, client?: TcpHandle) => void;
}

interface ShutdownRequest {
  oncomplete: () => void;
}

export interface Native {
  /** How many bytes the read brought that is being told of, or its error code. */
  lastRead(): number;
  shutdownRequest(): ShutdownRequest;
}

/** What a read answers at the end of the stream (libuv). */
export const END_OF_STREAM = -4095;

interface StreamBinding {
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly ShutdownWrap: new () => ShutdownRequest;
}

/** From 26.10 on a write needs no request object, and Node's own sockets write that way; what 27 will do is not known. */
function knowsHandles(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major === 26 && minor >= 10;
}

function load(): Native | null {
  if (!knowsHandles()) return null;
  const { binding } = process as unknown as { binding(name: 'stream_wrap'): StreamBinding };
  const { streamBaseState, kReadBytesOrError, ShutdownWrap } = binding('stream_wrap');
  return {
    lastRead: () => streamBaseState[kReadBytesOrError] as number,
    shutdownRequest: () => new ShutdownWrap(),
  };
}

/** Null on a Node whose handles are not known. */
export const native: Native | null = load();

/** The handle of a server or a plain socket of Node, while it has one. */
export function handleOf(owner: object): TcpHandle | null {
  return native === null ? null : ((owner as { _handle?: TcpHandle | null })._handle ?? null);
}
