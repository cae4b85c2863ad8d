/**
 * Work on the data directory of a stopped node. The control plane is loaded when it is asked for: neither the main thread of a
 * node nor any other command needs it, and each would start half a second later.
 */
import type { recoverDataDir as Recover, restoreInto as Restore } from '@flotilla/controlplane';

/** See `recoverDataDir` of the control plane. */
export const recoverDataDir: typeof Recover = async (...given) =>
  (await import('@flotilla/controlplane')).recoverDataDir(...given);

/** See `restoreInto` of the control plane. */
export const restoreInto = async (...given: Parameters<typeof Restore>): Promise<void> =>
  (await import('@flotilla/controlplane')).restoreInto(...given);
