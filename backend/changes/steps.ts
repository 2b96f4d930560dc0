// A change in steps, each with its way back: all of them, or none.

export class Steps {
  readonly #back: (() => void)[] = [];

  /** `run` leaves everything as it was when it throws. */
  do(run: () => void, back: () => void): void {
    run();
    this.#back.push(back);
  }

  /** Goes back, the last step first. What cannot be brought back does not keep the rest from it; it is returned. */
  undo(): unknown[] {
    const failed: unknown[] = [];
    for (const back of this.#back.splice(0).reverse()) {
      try {
        back();
      } catch (error) {
        failed.push(error);
      }
    }
    return failed;
  }
}
