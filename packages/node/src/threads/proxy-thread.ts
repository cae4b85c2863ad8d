/**
 * Entry of a proxy thread. Everything that it does is in @flotilla/dataplane.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { runProxyThread } from '@flotilla/dataplane';
import type { ProxyThreadData } from '@flotilla/shared';

if (parentPort === null) throw new Error('proxy-thread.ts is started by the supervisor, as a worker thread');
runProxyThread(workerData as ProxyThreadData, parentPort);
