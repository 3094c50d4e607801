/**
 * Planted bugs in the rules for ids (core/idempotency.ts). Each has its own seam: the look-up that
 * is handed to the core, the records that are read for it, and the name of the reign that it asks
 * for.
 */
import { Admission } from '#master/core/admission/admission';
import type { KnownIds } from '#master/core/admission/idempotency';
import type { MasterEffect, MasterEvent } from '#master/core/events';
import { MasterMachine } from '#master/core/master';
import { entryOf, entryRecord, type LogRecord } from '#protocol/record';
import { REAL_CORES } from '../model/world';
import type { PlantedBug } from './bugs';
import { replace } from './planting';

/** Every record that is read says the text that was asked for. */
class ComparesNoTexts extends MasterMachine {
  private readonly asked = new Map<string, string>();

  override step(now: number, event: MasterEvent): MasterEffect[] {
    if (event.type === 'append')
      for (const { id, message } of event.entries) if (id !== null) this.asked.set(id, message);
    if (event.type !== 'loaded' || event.records === null) return super.step(now, event);
    return super.step(now, { ...event, records: event.records.map((record) => this.asAsked(record)) });
  }

  private asAsked(record: LogRecord): LogRecord {
    const entry = entryOf(record.bytes);
    return entryRecord(record.index, { ...entry, message: this.asked.get(entry.id) ?? entry.message });
  }
}

/** The ids of appends that share an event are not looked up. */
class SharesWithoutLooking extends MasterMachine {
  constructor(
    settings: ConstructorParameters<typeof MasterMachine>[0],
    start: ConstructorParameters<typeof MasterMachine>[1],
  ) {
    super(settings, { ...start, seqOfId: (id) => (this.isShared ? null : start.seqOfId(id)) });
    const { pendingIds } = this.state;
    const get = pendingIds.get.bind(pendingIds);
    pendingIds.get = (id) => (this.isShared ? null : get(id));
  }

  private isShared = false;

  override step(now: number, event: MasterEvent): MasterEffect[] {
    this.isShared = event.type === 'append' && event.separate === true;
    return super.step(now, event);
  }
}

export const PLANTED_ID_BUGS: readonly PlantedBug[] = [
  {
    name: 'a known id is appended again',
    seeds: 20,
    cores: {
      ...REAL_CORES,
      master: (settings, start) => new MasterMachine(settings, { ...start, seqOfId: () => null }),
    },
  },
  {
    name: 'texts are not compared',
    seeds: 20,
    cores: { ...REAL_CORES, master: (settings, start) => new ComparesNoTexts(settings, start) },
  },
  {
    name: 'appends that share an event are appended again',
    seeds: 20,
    cores: { ...REAL_CORES, master: (settings, start) => new SharesWithoutLooking(settings, start) },
  },
  {
    name: 'an id that the reign will give is taken',
    seeds: 20,
    plant: () => {
      const former = Object.getOwnPropertyDescriptor(Admission.prototype, 'knownIds')?.get;
      return replace(Admission.prototype, 'knownIds', {
        get(): KnownIds {
          return { ...(former?.call(this) as KnownIds), reign: '' };
        },
      });
    },
  },
];
