/** Collects what a batch of entries changed, without duplicates. */
import type { Verdict } from '@flotilla/shared';
import type { BackendKey, Changes, SessionKey, VerdictChange } from './result.ts';

export class ChangeSet {
  revision = false;
  config = false;
  readonly members = new Set<string>();
  readonly drains = new Set<string>();
  readonly isolated = new Set<string>();
  readonly forgotten = new Set<string>();
  readonly unpinned: SessionKey[] = [];
  readonly #backends = new Map<string, BackendKey>();
  readonly #verdicts: VerdictChange[] = [];

  backend(key: string, pool: string, id: string): void {
    if (!this.#backends.has(key)) this.#backends.set(key, { pool, id });
  }

  verdict(key: string, change: { pool: string; id: string; from: Verdict; to: Verdict; reason: string }): void {
    this.#verdicts.push(change);
    this.backend(key, change.pool, change.id);
  }

  toChanges(): Changes {
    return {
      revision: this.revision,
      config: this.config,
      backends: [...this.#backends.values()],
      verdicts: this.#verdicts,
      members: [...this.members],
      drains: [...this.drains],
      isolated: [...this.isolated],
      forgotten: [...this.forgotten],
      unpinned: this.unpinned,
    };
  }
}
