/** What a proxy thread of a test runs: the same as that of a node. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ProxyThreadData } from '@flotilla/shared';
import { runProxyThread } from '../thread/proxy-thread.ts';

if (parentPort !== null) runProxyThread(workerData as ProxyThreadData, parentPort);
