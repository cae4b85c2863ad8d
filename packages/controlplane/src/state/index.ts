/** The replicated state of the cluster: commands in, results and changes out. Entry for the cluster host and the simulator. */
export { type Backup, BACKUP_KIND, BACKUP_VERSION, captureBackup, restoreBackup } from './backup.ts';
export { checkState } from './check-state.ts';
export { decodeCommand, encodeCommand } from './codec.ts';
export type * from './commands.ts';
export { type ConfigChange, type ConfigDiff, type ConfigImpact, diffConfig } from './diff.ts';
export { fenceText, readFence } from './fence.ts';
export { featureLevel } from '../limits.ts';
export { clusterLevel, commandLevel, raisableLevel } from './features.ts';
export { readConfigAt } from './history.ts';
export * from './limits.ts';

export { announceFault, interlock } from './members.ts';
export type { ConfigCommand, ResourceCommand } from './planned.ts';
export { diffOfRevision, type Preview, previewConfigCommand } from './preview.ts';
export * from './pin-reads.ts';
export * from './reads.ts';
export { captureState } from './snapshot.ts';
export type * from './result.ts';
export { backendDelta, compileRouting } from './routing.ts';
export type * from './rows.ts';
export { type Applied, ClusterStateMachine, type MachineOptions } from '../state-machine.ts';
export { backendKey, type Meta, type ReadonlyState, type ReadonlyTable } from './state.ts';
