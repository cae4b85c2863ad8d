/** The node process: settings, supervisor, signals. `flotilla node` is this and nothing else. */
export { runNode } from './run-node.ts';
export { readPidFile, removePidFile, writePidFile } from './pid-file.ts';
export { recoverDataDir, restoreInto } from './recovery.ts';
export { VERSION } from './version.ts';
export { resolveSettings } from './settings/resolve.ts';
export type { ResolvedSettings } from './settings/resolve.ts';
export type { SettingSources } from './settings/sources.ts';
export { SETTINGS, SETTING_KEYS, environmentName, flagName, isSwitch } from './settings/definitions.ts';
export type { SettingKey } from './settings/definitions.ts';
export type { NodeSettings } from './settings/types.ts';
