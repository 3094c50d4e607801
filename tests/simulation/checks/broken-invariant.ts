/** A machine threw, or did what its driver takes for impossible. */
export class BrokenInvariant extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = 'BrokenInvariant';
  }
}
