/** HTTP backends and clients for tests that are not about HTTP itself. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { Agent, IncomingHttpHeaders, OutgoingHttpHeaders, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestBackend {
  readonly port: number;
  readonly server: Server;
  close(): Promise<void>;
}

/** Answers with its name, or as told. */
export async function startHttpBackend(name: string, listener?: RequestListener): Promise<TestBackend> {
  const server = createServer(listener ?? ((_request, response) => response.end(name)));
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export async function httpGet(
  port: number,
  options: { readonly path?: string; readonly headers?: OutgoingHttpHeaders; readonly agent?: Agent } = {},
): Promise<TestAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path: '/', ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
