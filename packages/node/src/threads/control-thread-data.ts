/**
 * What the supervisor gives a control thread when it starts.
 */
import type { MessagePort } from 'node:worker_threads';
import type { SharedMemory, SupervisorToControl } from '@flotilla/shared';
import type { NodeSettings } from '../settings/types.ts';

export interface ControlThreadData {
  readonly settings: NodeSettings;
  readonly memory: SharedMemory;
  readonly proxyPorts: readonly { readonly threadId: number; readonly port: MessagePort }[];
}

/** What a control thread is told later. */
export type ToControlThread =
  | SupervisorToControl
  /** They were read again: tokens and certificates of these are used from now on. */
  | { readonly type: 'renew'; readonly settings: NodeSettings };
