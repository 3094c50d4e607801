import { createMasterApp } from '../../../../services/master/http-app';
import { FakeMaster } from '../../../support/fake-master';
import { HttpService, LogLines } from '../../../support/http-service';

const MEMBER = {
  id: 'secondary-1',
  status: 'Healthy',
  acked: 4,
  lag: 0,
  lastSeenMs: 12,
  httpUrl: null,
  voter: true,
} as const;

let master: FakeMaster;
let service: HttpService;

beforeEach(async () => {
  master = new FakeMaster();
  master.memberList = [MEMBER];
  service = await HttpService.start((server) =>
    createMasterApp({
      master,
      logger: new LogLines().logger,
      stopping: server.stopping,
      settings: {
        defaultWriteConcern: 'all',
        messageBytesMax: 100,
        logName: 'rlog',
        http: { bodyBytesMax: 1_000, apiToken: null },
      },
    }),
  );
});

afterEach(() => service.stop());

function force(body: string) {
  return service.ask({ method: 'POST', path: '/members/force', headers: { 'content-type': 'application/json' }, body });
}

test('the members are shown with their state', async () => {
  const answer = await service.ask({ path: '/members' });
  expect(answer.status).toBe(200);
  expect(answer.json()).toEqual([MEMBER]);
});

test('a removed member answers 204, one that is unknown 404', async () => {
  expect((await service.ask({ method: 'DELETE', path: '/members/secondary-1' })).status).toBe(204);
  const again = await service.ask({ method: 'DELETE', path: '/members/secondary-1' });
  expect(again.status).toBe(404);
  expect(again.json()).toMatchObject({ type: '/problems/not-found' });
});

test('a removal that cannot be committed is refused with the reason', async () => {
  master.removeMember = async () => ({
    outcome: 'refused',
    problem: 'recovering',
    detail: 'waiting for a vote',
    retryAfterS: 1,
    quorum: { required: 2, alive: 1 },
    missing: [],
  });
  const answer = await service.ask({ method: 'DELETE', path: '/members/secondary-1' });
  expect(answer.status).toBe(503);
  expect(answer.json()).toMatchObject({ type: '/problems/recovering', quorum: { required: 2, alive: 1 } });
});

test('a new list is forced only with the name of the log, and only while the master waits for a majority', async () => {
  expect((await force('{}')).json()).toMatchObject({
    errors: [{ path: 'log', message: expect.stringContaining('rlog') }],
  });
  expect((await force('{"log":"other"}')).status).toBe(400);
  const idle = await force('{"log":"rlog"}');
  expect(idle.status).toBe(409);
  expect(idle.json()).toMatchObject({ type: '/problems/not-recovering' });
  master.recovering = true;
  expect((await force('{"log":"rlog"}')).status).toBe(202);
});

test('other methods on the members are refused with what is allowed', async () => {
  const answer = await service.ask({ method: 'PUT', path: '/members' });
  expect(answer.status).toBe(405);
  expect(answer.headers.allow).toContain('GET');
});
