/**
 * Entry of a proxy thread. Everything that it does is in @flotilla/dataplane.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { runProxyThread } from '@flotilla/dataplane';
import type { ProxyThreadData } from '@flotilla/shared';
import { createLogger } from '@flotilla/shared/runtime';
import { PROXY_NICENESS } from '../limits.ts';
import { preferThisThread } from './thread-priority.ts';

if (parentPort === null) throw new Error('proxy-thread.ts is started by the supervisor, as a worker thread');
const data = workerData as ProxyThreadData;
preferThisThread(
  PROXY_NICENESS,
  createLogger({ level: data.logLevel, nodeId: data.nodeId, thread: `proxy-${data.threadId}` }),
);
runProxyThread(data, parentPort);
