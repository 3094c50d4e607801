/**
 * The stopwatch of a fault test. With RLOG_FAULT_REPORT set it appends one JSON line for each fault
 * to that file, from which tools/scripts/fault-table.ts makes the table of the documentation.
 *
 *     begin ──────────▶ writable: an append that asks for a majority was acknowledged again
 *        └──▶ lifted ─▶ converged: all logs are equal, checked against what clients were told
 */
import { appendFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');

interface FaultLine {
  readonly fault: string;
  readonly clientSees: string;
  /** From the fault's begin, or from its end when it began with the end of all writing. */
  readonly writableAgainMs: number;
  /** From when the cause was gone: the process started again, the network or the disk in order. */
  readonly convergedMs: number;
  readonly broughtBackBy: string;
  /** File and name. */
  readonly test: string;
}

export class FaultWatch {
  private startedAt = performance.now();
  private liftedAt: number | null = null;
  private writableAgainMs: number | null = null;

  private constructor(private readonly fault: string) {}

  /** The fault begins now. */
  static begin(fault: string): FaultWatch {
    return new FaultWatch(fault);
  }

  /** Appends are acknowledged by a majority again; the first call counts. */
  writable(): void {
    this.writableAgainMs ??= performance.now() - this.startedAt;
  }

  /** What caused it is gone; the rest is the product's. */
  lifted(): void {
    this.liftedAt ??= performance.now();
  }

  /**
   * Nothing could be written while the cause was there, so `writable` counts from its end, which is
   * now.
   */
  liftedBeforeWritable(): void {
    this.lifted();
    this.startedAt = performance.now();
  }

  converged({ clientSees, broughtBackBy }: Pick<FaultLine, 'clientSees' | 'broughtBackBy'>): void {
    const now = performance.now();
    const { fault, startedAt, liftedAt, writableAgainMs } = this;
    const { testPath = '', currentTestName = '' } = expect.getState();
    this.write({
      fault,
      clientSees,
      writableAgainMs: Math.round(writableAgainMs ?? now - startedAt),
      convergedMs: Math.round(now - (liftedAt ?? startedAt)),
      broughtBackBy,
      test: `${relative(ROOT, testPath)}: ${currentTestName}`,
    });
  }

  private write(line: FaultLine): void {
    const file = process.env.RLOG_FAULT_REPORT;
    if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify(line)}\n`);
  }
}
