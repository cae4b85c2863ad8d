/**
 * The connection to the control thread: may be absent, may be replaced at any time, and never matters for traffic.
 *
 * What is said while it is absent is dropped: a new control thread is told everything anew. Deltas need not wait for their
 * turn in the event loop: `catchUp` takes them from the port before a request asks for the table.
 */
import { receiveMessageOnPort } from 'node:worker_threads';
import type { ControlToProxy, ProxyToControl } from '@flotilla/shared';
import type { MessagePort } from 'node:worker_threads';

export class ControlLink {
  readonly #receive: (message: ControlToProxy) => void;
  #port: MessagePort | null = null;
  /** Raised by the control thread after each delta. */
  readonly #posted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  /** Its value when deltas were last taken. */
  #seen = 0;
  /** Taken from the port, waiting for the event loop; whatever comes after waits behind. */
  #waiting: ControlToProxy[] = [];

  constructor(receive: (message: ControlToProxy) => void) {
    this.#receive = receive;
  }

  attach(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    this.#waiting = [];
    port.on('message', (message: ControlToProxy) => {
      // A message of a replaced port that was still under way is of an older truth.
      if (this.#port !== port) return;
      if (this.#waiting.length === 0) this.#receive(message);
      else this.#waiting.push(message);
    });
    port.once('close', () => {
      if (this.#port === port) this.#port = null;
    });
  }

  get attached(): boolean {
    return this.#port !== null;
  }

  /** To be given to the control thread. */
  get posted(): SharedArrayBuffer {
    return this.#posted.buffer as SharedArrayBuffer;
  }

  /**
   * Follows every delta that was posted before this call; costs one atomic load where there is none. Another kind of message
   * may change more than a request under way can bear: it waits for the event loop, and deltas behind it too.
   */
  catchUp(): void {
    const posted = Atomics.load(this.#posted, 0);
    if (posted === this.#seen || this.#port === null) return;
    this.#seen = posted;
    const port = this.#port;
    const wasWaiting = this.#waiting.length > 0;
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      const message = next.message as ControlToProxy;
      if (this.#waiting.length === 0 && message.type === 'delta') this.#receive(message);
      else this.#waiting.push(message);
    }
    if (this.#waiting.length > 0 && !wasWaiting) setImmediate(() => this.#receiveWaiting());
  }

  #receiveWaiting(): void {
    const messages = this.#waiting;
    this.#waiting = [];
    for (const message of messages) this.#receive(message);
  }

  send(message: ProxyToControl): void {
    this.#port?.postMessage(message);
  }

  close(): void {
    this.#port?.close();
    this.#port = null;
  }
}
