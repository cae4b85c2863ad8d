/** What a proxy thread of a test runs: the same as that of a node, and it can be told to fall behind. */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { ProxyThreadData } from '@flotilla/shared';
import { runProxyThread } from '../thread/proxy-thread.ts';

/** So many turns of the event loop in a row are to take so long, at least. */
export interface Stall {
  readonly turns: number;
  readonly ms: number;
}

const asleep = new Int32Array(new SharedArrayBuffer(4));

/** Once in each turn, between its reading of sockets and the timers of the next one. */
function stall({ turns, ms }: Stall): void {
  if (turns === 0) return;
  setImmediate(() => {
    Atomics.wait(asleep, 0, 0, ms);
    stall({ turns: turns - 1, ms });
  });
}

if (parentPort !== null) {
  const data = workerData as ProxyThreadData & { readonly stalls: MessagePort };
  runProxyThread(data, parentPort);
  data.stalls.on('message', stall);
  data.stalls.unref();
}
