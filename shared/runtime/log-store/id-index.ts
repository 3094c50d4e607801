/** Where the entries with client-chosen ids are. First version: a map in memory, filled at open. */
export class IdIndex {
  private readonly indexOfId = new Map<string, number>();

  add(id: string, index: number): void {
    this.indexOfId.set(id, index);
  }

  find(id: string): number | null {
    return this.indexOfId.get(id) ?? null;
  }

  cutAfter(index: number): void {
    for (const [id, at] of this.indexOfId) if (at > index) this.indexOfId.delete(id);
  }
}
