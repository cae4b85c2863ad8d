/**
 * What the supervisor gives a control thread when it starts.
 */
import type { MessagePort } from 'node:worker_threads';
import type { SharedMemory } from '@flotilla/shared';
import type { NodeSettings } from '../settings/types.ts';

export interface ControlThreadData {
  readonly settings: NodeSettings;
  readonly memory: SharedMemory;
  readonly proxyPorts: readonly { readonly threadId: number; readonly port: MessagePort }[];
}
