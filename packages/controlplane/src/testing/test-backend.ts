/**
 * A backend that can fall ill: answers its probes with 200 or 503, or nothing when stopped.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class TestBackend {
  healthy = true;
  probes = 0;
  readonly #server: Server = createServer((_request, response) => {
    this.probes += 1;
    response.writeHead(this.healthy ? 200 : 503).end();
  });

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return this;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
