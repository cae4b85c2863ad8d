/** What planning a change of the configuration gives. */
import type { ErrorCode, FaultDetail } from '@flotilla/shared';
import type {
  BackendSet,
  ConfigReplace,
  ConfigRollback,
  ResourceDelete,
  ResourcePatch,
  ResourcePut,
} from './commands.ts';
import type { ConfigPlan } from './config-plan.ts';

export type ResourceCommand = ResourcePut | ResourcePatch | ResourceDelete;
export type ConfigCommand = ConfigReplace | ConfigRollback | BackendSet | ResourceCommand;

export interface PlannedOk {
  readonly ok: true;
  readonly plan: ConfigPlan;
  readonly target: string;
  readonly summary: string;
  readonly warnings: readonly FaultDetail[];
  readonly created?: boolean;
}

export type Planned =
  | PlannedOk
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: readonly FaultDetail[];
    };
