import { ConnectionError } from './errors.js';

/**
 * A signal that is aborted when the caller's is, or when something takes too long. `AbortSignal.any` with `AbortSignal.timeout`
 * would say the same once; this one can be wound up again, and leaves nothing behind on a signal that lives for long.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #passOn = (): void => {
    this.#controller.abort(this.#outer?.reason);
  };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer;
    outer?.addEventListener('abort', this.#passOn, { once: true });
    if (outer?.aborted === true) this.#passOn();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts after that time, unless it is stopped or started again before. */
  start(milliseconds: number, what: string): void {
    this.stop();
    this.#timer = setTimeout(() => {
      this.#controller.abort(new ConnectionError({ detail: `${what} within ${String(milliseconds / 1000)} s` }));
    }, milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Lets go of the caller's signal, and ends what still runs under this one. */
  release(): void {
    this.stop();
    this.#outer?.removeEventListener('abort', this.#passOn);
    this.#controller.abort();
  }
}
