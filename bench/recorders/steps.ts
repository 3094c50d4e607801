/**
 * Loaded into a node of the benchmark (`node --require`, see preload.ts): records the steps of the
 * newest entries and writes them to a file when the process ends.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';
import { StepRecorder } from './step-recorder';

/** More than both loads append. A row has 88 bytes; unused ones take no memory. */
const ENTRIES_MAX = 2 ** 18;

const { RECORD_TO, NODE_ID } = process.env;
const recorder = new StepRecorder(ENTRIES_MAX, () => Number(process.hrtime.bigint()) / 1e6);
const on = <Message>(name: string, take: (message: Message) => void) =>
  subscribe(name, (message) => take(message as Message));

on<Parameters<StepRecorder['recordStep']>[0]>('replicated-log.stepped', (step) => recorder.recordStep(step));
on<{ response: object; seq: number }>('replicated-log.answered', ({ response, seq }) =>
  recorder.recordAnswer(response, seq),
);
on<{ response: object }>('http.server.request.start', ({ response }) => recorder.recordArrived(response));
on<{ response: object }>('http.server.response.finish', ({ response }) => recorder.recordWritten(response));

process.on('exit', () => writeFileSync(`${RECORD_TO}/${NODE_ID}.record`, recorder.bytes));
