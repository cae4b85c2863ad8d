/**
 * Planned drain of a node: what the leader decides next, and what the draining node itself does in each phase.
 *
 * The order is the mission's: readiness down first (the committed drain alone does that), a wait for whatever distributes
 * traffic to notice, then connections are drained to a deadline, then it stands by. Phases are in the log, so whoever
 * leads goes on where the last leader stopped; times are log time, so all leaders count alike.
 */
import type { DrainPhase, DrainRow } from '../state/index.ts';

export interface DrainView {
  readonly alive: boolean;
  /** As the node last said. */
  readonly connections: number;
  readonly drained: boolean;
}

export interface DrainStep {
  readonly phase: DrainPhase;
  readonly connections?: number;
}

/** The next thing to commit about a drain, or null. */
export function drainStep(row: DrainRow, logTimeMs: number, view: DrainView): DrainStep | null {
  const inPhaseMs = logTimeMs - row.phaseSinceMs;
  const connections = view.alive ? view.connections : 0;
  if (row.phase === 'withdrawing')
    return !view.alive || inPhaseMs >= row.propagationMs ? { phase: 'draining', connections } : null;
  if (row.phase === 'draining') {
    const over = !view.alive || view.drained || connections === 0 || inPhaseMs >= row.deadlineMs;
    if (over) return { phase: 'drained', connections };
    return connections === row.connections ? null : { phase: 'draining', connections };
  }
  return null;
}

export interface DrainTarget {
  drain(deadlineMs: number): void;
  undrain(): void;
}

/** Makes this node's proxy threads follow the drain that is committed for it. */
export class OwnDrain {
  readonly #target: DrainTarget;
  /** What the threads were told; null: nothing yet, and they may still follow a control thread that died. */
  #draining: boolean | null = null;

  constructor(target: DrainTarget) {
    this.#target = target;
  }

  follow(row: DrainRow | undefined, logTimeMs: number): void {
    const wanted = row !== undefined && row.phase !== 'withdrawing';
    if (wanted === this.#draining) return;
    this.#draining = wanted;
    if (!wanted) this.#target.undrain();
    else this.#target.drain(Math.max(0, row.deadlineMs - (logTimeMs - row.phaseSinceMs)));
  }
}
