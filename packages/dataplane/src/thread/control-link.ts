/**
 * The connection to the control thread: may be absent, may be replaced at any time, and never matters for traffic.
 *
 * What is said while it is absent is dropped: a new control thread is told everything anew.
 */
import type { ControlToProxy, ProxyToControl } from '@flotilla/shared';
import type { MessagePort } from 'node:worker_threads';

export class ControlLink {
  readonly #receive: (message: ControlToProxy) => void;
  #port: MessagePort | null = null;

  constructor(receive: (message: ControlToProxy) => void) {
    this.#receive = receive;
  }

  attach(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    port.on('message', (message: ControlToProxy) => {
      // A message of a replaced port that was still under way is of an older truth.
      if (this.#port === port) this.#receive(message);
    });
    port.once('close', () => {
      if (this.#port === port) this.#port = null;
    });
  }

  get attached(): boolean {
    return this.#port !== null;
  }

  send(message: ProxyToControl): void {
    this.#port?.postMessage(message);
  }

  close(): void {
    this.#port?.close();
    this.#port = null;
  }
}
