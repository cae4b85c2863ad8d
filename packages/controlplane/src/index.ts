/** The control thread: Raft, replicated state, API, probes, publishing. The state machine alone is at `./state`. */
export { startControl } from './control.ts';
export type * from './ports.ts';
export { restoreInto } from './recovery/restore.ts';
export { recoverDataDir, type Recovery } from './recovery/recover.ts';
