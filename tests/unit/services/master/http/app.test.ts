import { FakeMaster } from '#tests/support/fakes/master';
import type { HttpService } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

describe('a master over HTTP', () => {
  let master: FakeMaster;
  let service: HttpService;

  beforeEach(async () => {
    master = new FakeMaster();
    service = await serveMaster(master, { defaultWriteConcern: 'all', messageBytesMax: 64, bodyBytesMax: 1024 });
  });
  afterEach(() => service.stop());

  it('is read', async () => {
    master.reader.moveHead(3);
    expect((await service.ask({ path: '/messages' })).json()).toEqual(master.reader.entries(1, 3));
    expect((await service.ask({ path: '/messages/3' })).json()).toEqual(master.reader.entry(3));
  });

  it('says who holds an entry', async () => {
    master.reader.moveHead(3, 2);
    const answer = await service.ask({ path: '/messages/3/replication' });
    expect(answer.json()).toEqual({ seq: 3, acks: ['master', 'secondary-1'], committed: false, w: 2 });
    expect((await service.ask({ path: '/messages/4/replication' })).status).toBe(404);
    expect((await service.ask({ path: '/messages/x/replication' })).status).toBe(400);
  });

  it('says how it is, also when it takes no appends', async () => {
    master.ready = false;
    expect((await service.ask({ path: '/health' })).json()).toEqual(master.health());
    expect((await service.ask({ path: '/livez' })).status).toBe(200);
    const answer = await service.ask({ path: '/readyz' });
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ type: '/problems/not-ready', detail: 'too few nodes are alive' });
  });

  it.each(['PUT', 'DELETE', 'PATCH'])('knows no %s of messages', async (method) => {
    const answer = await service.ask({ method, path: '/messages' });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD, POST, OPTIONS');
  });

  it.each(['/', '/message', '/faults', '/messages/1/2/3'])('has nothing at %s', async (path) => {
    expect((await service.ask({ path })).status).toBe(404);
  });
});
