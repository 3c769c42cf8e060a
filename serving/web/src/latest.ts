/**
 * Latest runs tasks of which only the newest matters: a newer one aborts the one before, and what
 * came of that, value or error, is dropped.
 */
export class Latest {
  #controller = new AbortController();

  /** Runs the task; resolves to undefined where a newer one has taken its place. */
  async run<T>(task: (signal: AbortSignal) => Promise<T>): Promise<{ value: T } | undefined> {
    this.cancel();
    const { signal } = (this.#controller = new AbortController());
    try {
      const value = await task(signal);
      return signal.aborted ? undefined : { value };
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** Aborts the task that is running, if there is one. */
  cancel(): void {
    this.#controller.abort();
  }
}
