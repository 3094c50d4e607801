import { type LogFacts, planLog } from '#tools/cluster/log-plan';

const ID = '60c249b35917a53d';
const FIRST: LogFacts = {
  given: null,
  memory: false,
  kept: null,
  holds: [false, false, false],
  brokerMayRemember: false,
};

test.each<[string, Partial<LogFacts>, ReturnType<typeof planLog>]>([
  ['a first start leaves LOG_ID to the environment', {}, { logId: null, permitsBirth: false, state: 'fine' }],
  [
    'a first start on a broker that may remember a log permits a birth',
    { brokerMayRemember: true },
    { logId: null, permitsBirth: true, state: 'fine' },
  ],
  [
    'no birth is permitted while any folder holds a store',
    { brokerMayRemember: true, holds: [false, true, false] },
    { logId: null, permitsBirth: false, state: 'fine' },
  ],
  [
    'a later start passes the id that was kept',
    { kept: ID, holds: [true, true, true], brokerMayRemember: true },
    { logId: ID, permitsBirth: false, state: 'fine' },
  ],
  [
    'one lost folder of three is nothing to mention',
    { kept: ID, holds: [false, true, true] },
    { logId: ID, permitsBirth: false, state: 'fine' },
  ],
  [
    'two lost folders of three may be too many',
    { kept: ID, holds: [false, false, true] },
    { logId: ID, permitsBirth: false, state: 'short' },
  ],
  [
    'with all folders lost nothing begins beside the log that was kept',
    { kept: ID, brokerMayRemember: true },
    { logId: ID, permitsBirth: false, state: 'gone' },
  ],
  [
    'what the user has set goes before what was kept',
    { given: 'auto', kept: ID, brokerMayRemember: true },
    { logId: null, permitsBirth: false, state: 'fine' },
  ],
  [
    'in memory no id is passed',
    { memory: true, holds: [], brokerMayRemember: true },
    { logId: null, permitsBirth: false, state: 'fine' },
  ],
])('%s', (_, facts, plan) => {
  expect(planLog({ ...FIRST, ...facts })).toEqual(plan);
});
