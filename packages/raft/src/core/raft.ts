/** The core: `createCore(options)` gives `step(event) -> effects` and `status()`. The only file that owns control flow. */
import type { CoreOptions, RaftCore } from './port.ts';

export type { CoreOptions, CoreStatus, PeerStatus, RaftCore, RecoveredState } from './port.ts';

export function createCore(options: CoreOptions): RaftCore {
  throw new Error(`not ready: ${options.self}`);
}
