/** A secondary that is as a test says. */
import { type FaultChange, type FaultSettings, NO_FAULTS } from '#secondary/faults/settings';
import type { SecondaryHealth, SecondaryPort } from '#secondary/http/ports';
import { FakeLogReader } from './log-reader';

export class FakeSecondary implements SecondaryPort {
  readonly reader = new FakeLogReader();
  ready = true;
  log: string | null = 'aaaaaaaaaaaaaaaa';
  master: string | null = null;
  settings: FaultSettings = NO_FAULTS;

  health(): SecondaryHealth {
    const { head, epoch } = this.reader.position();
    return {
      node: 'secondary-1',
      role: 'secondary',
      status: 'ok',
      log: this.log,
      epoch,
      applied: head,
      head,
      lag: 0,
      buffered: 0,
      broker: { connected: true, blocked: false, consuming: true },
      counters: { duplicates: 0, gaps: 0, fetches: 0, staleEpoch: 0, redelivered: 0, dropped: 0, malformed: 0 },
    };
  }

  readiness() {
    return this.ready ? ({ ready: true } as const) : ({ ready: false, reason: '3 entries are missing' } as const);
  }

  masterUrl(): string | null {
    return this.master;
  }

  faults(): FaultSettings {
    return this.settings;
  }

  setFaults(change: FaultChange): void {
    this.settings = Object.assign({ ...this.settings }, change);
  }
}
