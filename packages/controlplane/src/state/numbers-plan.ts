/**
 * The frequent change of the configuration: weight or state of one backend that exists. Planned and committed like any other one,
 * without the parts that it cannot touch; its texts and what undoes it are made when somebody reads them.
 */
import type { BackendConfig, FaultDetail } from '@flotilla/shared';
import { CHAR_MAX_BYTES, type Story } from './change.ts';
import { type ConfigPlan, emptyPlan, numbersRow } from './config-plan.ts';
import type { Context } from './context.ts';
import { recordRevision } from './journal.ts';
import type { PlannedOk } from './planned.ts';
import type { BackendRow, UndoRow } from './rows.ts';

const NOTHING: readonly FaultDetail[] = [];
/** Names and numbers of the undo record and the summary. */
const ENVELOPE_MAX_BYTES = 300;

export class NumbersPlan implements PlannedOk, Story {
  readonly #key: string;
  readonly #row: BackendRow;
  readonly #config: BackendConfig;

  /** `key`: of the backend, whose row is `row`; `config`: with its new numbers, and otherwise the same. */
  constructor(key: string, row: BackendRow, config: BackendConfig) {
    this.#key = key;
    this.#row = row;
    this.#config = config;
  }

  get ok(): true {
    return true;
  }

  get warnings(): readonly FaultDetail[] {
    return NOTHING;
  }

  get plan(): ConfigPlan {
    return { ...emptyPlan(), backends: { [this.#key]: this.#config } };
  }

  get target(): string {
    return `backend ${this.#key}`;
  }

  get summary(): string {
    const [before, after] = [this.#row.config, this.#config];
    const parts: string[] = [];
    if (after.weight !== before.weight) parts.push(`weight ${before.weight} → ${after.weight}`);
    if (after.state !== before.state) parts.push(`state ${before.state} → ${after.state}`);
    return `${this.target}: ${parts.join(', ')}`;
  }

  get undo(): UndoRow {
    return { backends: { [this.#key]: this.#row.config } };
  }

  get maxBytes(): number {
    const { id, address, tags } = this.#row.config;
    let chars = 2 * this.#key.length + id.length + address.length;
    for (const name in tags) chars += name.length + (tags[name] as string).length + '"":"",'.length;
    return ENVELOPE_MAX_BYTES + chars * CHAR_MAX_BYTES;
  }

  commit(context: Context): void {
    const { pool, config } = this.#row;
    context.state.backends.set(this.#key, numbersRow(this.#row, this.#config, context.timeMs));
    context.changes.backend(this.#key, pool, config.id);
    recordRevision(context, this);
  }
}
