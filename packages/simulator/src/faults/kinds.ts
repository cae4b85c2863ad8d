/** Every kind of fault and of operator's action that a schedule may hold. */
export const FAULT_KINDS = [
  // Processes.
  'crash',
  'crash-all',
  'pause',
  'freeze',
  'stop-cleanly',
  'wall-clock-step',
  // Network.
  'partition-halves',
  'partition-isolate',
  'partition-one-way',
  'partition-ring',
  'diverge',
  'clog',
  'reset-link',
  'break-snapshot',
  // Disks.
  'disk-stall',
  'disk-error',
  'disk-full',
  'rot-log',
  'rot-hard-state',
  'rot-snapshot',
  'wipe-disk',
  'old-backup',
  // Operators.
  'transfer',
  'add-learner',
  'promote',
  'remove',
  'replace',
  'change-jointly',
  'take-snapshot',
  'upgrade',
  // Clients.
  'burst',
  // Those that wait for their moment.
  'figure-8',
  'lost-candidacy',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** One line of a schedule. `dice` decides whom it meets, so that a fault means the same when others are left out. */
export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  readonly dice: number;
  readonly durationMs: number;
}
