/**
 * The sample backend: something to balance for demos, tests and first experiments. Its answers are in `respond.ts`.
 */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SAMPLE_KEEP_ALIVE_MS, SAMPLE_STOP_MS } from '../limits.ts';
import { respond } from './respond.ts';

export interface SampleBackend {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Requests answered or begun so far. */
  readonly requestCount: number;
  /** Lets requests under way finish for a moment, then closes every connection. */
  close(): Promise<void>;
}

export async function startSampleBackend(options: {
  readonly id: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}): Promise<SampleBackend> {
  const state = { id: options.id, failing: false };
  let requestCount = 0;
  const server = createServer({ keepAliveTimeout: SAMPLE_KEEP_ALIVE_MS, requestTimeout: 0 }, (request, response) => {
    requestCount += 1;
    respond(state, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.maxRequestsPerSocket = 0;
  await new Promise<void>((settle, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port, backlog: 4096 }, settle);
  });
  const { port } = server.address() as AddressInfo;
  return {
    id: options.id,
    host: options.host,
    port,
    get requestCount() {
      return requestCount;
    },
    close: () => closeServer(server),
  };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((settle) => {
    const limit = setTimeout(() => server.closeAllConnections(), SAMPLE_STOP_MS);
    server.close(() => {
      clearTimeout(limit);
      settle();
    });
    server.closeIdleConnections();
  });
}
