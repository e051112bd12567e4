import { expect, test } from 'vitest'
import { CitadelError } from '../../../../src/base/errors.js'
import {
  ChildStarter,
  type StarterParts,
} from '../../../../src/cluster/supervisor/child-starter.js'
import { Pid } from '../../../../src/term/pid.js'
import { ManualClock } from '../../../support/manual-clock.js'

/** n1 asks n2, which has heard that n3 runs the child, as a process that has crashed since. */
function starter(up: readonly string[]) {
  const asked: string[] = []
  const stale = new Pid('n3', 1, 6, 1)
  const alive = new Pid('n3', 1, 7, 1)
  const call = async ({ node }: { node: string }): Promise<unknown> => {
    asked.push(node)
    const pid = node === 'n3' ? alive : stale
    return { ok: false, code: 'already_started', message: `runs as ${pid}`, pid, reason: null }
  }
  const table = { find: () => undefined }
  const parts = {
    supervisor: 's',
    receiver: 'r',
    scopes: { node: 'n1', isUp: (node: string) => up.includes(node) },
    processes: { call },
    members: { nodeFor: () => 'n2' },
    world: { clock: new ManualClock() },
    claims: { table },
    specs: { table: { rows: new Map(), versionMax: 0 } },
  }
  const starts = new ChildStarter(parts as unknown as StarterParts)
  const recipe = { module: 'M', args: [], restart: 'permanent', shutdownMs: 1, token: 't' } as const
  const wish = { id: 'a', childId: 'a', recipe, timeoutMs: 1_000 }
  return { asked, stale, alive, refusal: starts.start(wish).catch((error: unknown) => error) }
}

test('three nodes: a start that is refused for what a third node runs hears which process from that node', async () => {
  const { asked, alive, refusal } = starter(['n2', 'n3'])
  const error = (await refusal) as CitadelError
  expect(error).toBeInstanceOf(CitadelError)
  expect(error).toMatchObject({ code: 'already_started', pid: alive })
  expect(asked).toEqual(['n2', 'n3'])
})

test('three nodes: a refusal for what a node runs that cannot be reached is believed', async () => {
  const { asked, stale, refusal } = starter(['n2'])
  expect(await refusal).toMatchObject({ code: 'already_started', pid: stale })
  expect(asked).toEqual(['n2'])
})
