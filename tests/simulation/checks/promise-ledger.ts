/**
 * What a run is still promised to survive. A run starts as promised, and ceases to be with the
 * first act after which the README promises less:
 *
 *     promised ──a force is prepared or begun; more is lost than a minority; a second log may begin beside a young one──▶ given up
 *         └──────────────── a disk is set back to an older copy of itself, which nobody can notice ─────────────────────▶ set back
 *
 * | standing | what is checked |
 * | --- | --- |
 * | promised | everything |
 * | given up | S1, S2, S3, S5 on each disk, S6 and S9 within each branch of a log, S7, S8, bounds, no machine throws; a client whose time is up is answered |
 * | set back | S2, S8, bounds, no machine throws; a client whose time is up is answered |
 *
 * What is not checked when given up: S4 at the end, the order of what was acknowledged, L1, and L2
 * for those who wait for ever. Store ids keep S6 within a branch however many disks are lost: a
 * lost store never votes, so what is left can stop, but not decide without those who know better.
 *
 * A disk that is swapped, or replaced by one of another log or of a former life, counts as a lost
 * one (ledger.ts says which may be lost).
 */
export type Standing = 'promised' | 'given up' | 'set back';

export class PromiseLedger {
  standing: Standing = 'promised';
  /** An operator has forced a list: branches of one log may go on beside each other. */
  isForced = false;
  /** What ended the promise; null: it stands. */
  why: string | null = null;

  get isPromised(): boolean {
    return this.standing === 'promised';
  }

  /** Does a rule hold that needs every disk to remember what it has said? */
  get remembers(): boolean {
    return this.standing !== 'set back';
  }

  giveUp(why: string): void {
    this.why ??= why;
    if (this.standing === 'promised') this.standing = 'given up';
  }

  force(): void {
    this.isForced = true;
    this.giveUp('a force');
  }

  setBack(node: string): void {
    this.why ??= `${node} is set back`;
    this.standing = 'set back';
  }
}
