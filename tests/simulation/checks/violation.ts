/** A promise of the log was broken: which one, and how it shows. */
export class Violation extends Error {
  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(`${rule}: ${what}`);
    this.name = 'Violation';
  }
}
