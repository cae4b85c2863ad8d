/**
 * Where checkers report. The first violation ends the run; it is remembered, not thrown, since the code under test may be
 * what called the checker, and would catch it.
 */
export interface Violation {
  /** Name of the property. */
  readonly checker: string;
  readonly text: string;
  readonly atMs: number;
}

export class Violations {
  first: Violation | null = null;
  readonly #nowMs: () => number;
  readonly #onFirst: () => void;

  constructor(nowMs: () => number, onFirst: () => void) {
    this.#nowMs = nowMs;
    this.#onFirst = onFirst;
  }

  demand(condition: boolean, checker: string, text: () => string): void {
    if (condition || this.first !== null) return;
    this.first = { checker, text: text(), atMs: this.#nowMs() };
    this.#onFirst();
  }
}
