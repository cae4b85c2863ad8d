/** The replicated state of the cluster: commands in, results and changes out. Pure; entry for the cluster host and the simulator. */
export type * from './commands.ts';
export type * from './result.ts';
export type * from './rows.ts';
export * from './limits.ts';
export * from './reads.ts';
export { backendKey, type Meta, type ReadonlyState, type ReadonlyTable } from './state.ts';
