/** A repeat of an append that is in the log, at a master that cannot answer it now. */
import { createMasterApp } from '#master/http/app';
import { FakeMaster } from '#tests/support/fakes/master';
import { HttpService, LogLines } from '#tests/support/http/http-service';

test.each([
  [undefined, false],
  ['unknown', 'unknown'],
] as const)('a refusal that says stored: %s is told as %s', async (stored, told) => {
  const master = new FakeMaster();
  const situation = { retryAfterS: 1, quorum: { required: 2, alive: 1 }, missing: [] };
  const refusal = { outcome: 'refused', problem: 'recovering', detail: 'waiting', ...situation } as const;
  master.onAppend = async () => (stored === undefined ? refusal : { ...refusal, stored });
  const http = { bodyBytesMax: 1_000, apiToken: null };
  const settings = { defaultWriteConcern: 'all', messageBytesMax: 100, logName: 'rlog', http } as const;
  const service = await HttpService.start((server) =>
    createMasterApp({ master, logger: new LogLines().logger, stopping: server.stopping, settings }),
  );
  const headers = { 'content-type': 'application/json' };
  const answer = await service.ask({
    method: 'POST',
    path: '/messages',
    headers,
    body: '{"message":"m","id":"known"}',
  });
  await service.stop();
  expect(answer.status).toBe(503);
  expect(answer.json()).toMatchObject({ type: '/problems/recovering', stored: told });
});
