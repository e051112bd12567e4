/** A move that fails: the child goes on where it is, with its state and all that waited for it. */
import { afterEach, describe, expect, test } from 'vitest'
import type { ChildEvent, Pid } from '../../src/index.js'
import { eventually } from '../support/eventually.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'
import { Tally, type Trouble, Troubled } from '../support/tally.js'

let cluster: LocalCluster

afterEach(() => cluster?.stop())

/** How long the other side may take: the steps that never end wait so long. */
const HANDOFF_MS = 300

interface Case {
  trouble: Trouble
  /** What the event says of the reason. */
  says: RegExp
  /** Whether the child had given its state, and hears that it stays. */
  isTold: boolean
}

const CASES: Case[] = [
  { trouble: 'handoffThrows', says: /handoff failed as asked/, isTold: false },
  { trouble: 'handoffHangs', says: /gave no state/, isTold: true },
  { trouble: 'function', says: /function/, isTold: true },
  { trouble: 'deep', says: /deep/, isTold: true },
  { trouble: 'large', says: /larger|limit|large/, isTold: true },
  { trouble: 'initThrows', says: /init failed as asked/, isTold: true },
  { trouble: 'initHangs', says: /did not (start|answer)/, isTold: true },
  { trouble: 'takeoverThrows', says: /takeover failed as asked/, isTold: true },
  { trouble: 'takeoverHangs', says: /did not (start|answer)/, isTold: true },
]

const stays = ({ events }: LocalNode): (ChildEvent & { type: 'stayed' })[] =>
  events.filter((event) => event.type === 'stayed')

/** A child on the first of two nodes, that cannot go to the second. */
async function troubled(trouble?: Trouble): Promise<[LocalNode, LocalNode]> {
  const modules = { Troubled, Tally }
  const options = { modules, rebalance: 'manual', handoffMs: HANDOFF_MS } as const
  cluster = await LocalCluster.start(1, options)
  const [first] = cluster.nodes as [LocalNode]
  const args = ['x', { trouble, home: first.name, keyed: true, group: 'g' }]
  await first.workers.startChild('Troubled', args, { id: 'x' })
  const second = await cluster.add('n2')
  await cluster.settled()
  await cluster.known('x')
  return [first, second]
}

describe('a child that cannot move', () => {
  for (const { trouble, says, isTold } of CASES) {
    test(`two nodes: ${trouble}: the old process goes on with its state, its key and its mailbox`, async () => {
      const [first, second] = await troubled(trouble)
      const child = second.workers.child<Tally>('x')
      const pid = first.workers.lookup('x')
      expect(await child.call('add', 5)).toBe(5)
      const moving = first.workers.moveChild('x', second.name)
      const waiting = [first, second].map(({ workers }) => workers.child<Tally>('x').call('add', 1))
      expect(await moving).toBe(false)
      expect((await Promise.all(waiting)).sort()).toEqual([6, 7])
      expect(first.workers.lookup('x')?.equals(pid!)).toBe(true)
      expect(await child.call('where')).toBe(first.name)
      expect(await child.call('story')).toEqual({ cameFrom: undefined, aborted: isTold ? 1 : 0 })
      expect(first.citadel.registry.findByKey('key x')?.equals(pid!)).toBe(true)
      expect(second.citadel.groups.members('g')).toEqual([pid])
      await eventually(() => stays(second).length === 1)
      expect(stays(second)).toMatchObject([{ id: 'x', node: first.name, to: second.name }])
      expect(stays(second)[0]?.reason).toMatch(says)
      await cluster.eachOnce(['x'])
      const errors = first.log.lines.filter((line) => line.startsWith('error'))
      expect(errors).toHaveLength(trouble === 'handoffThrows' ? 1 : 0)
      // It is served as before, and nothing of the attempt is left on the other side.
      expect(await child.call('add', 1)).toBe(8)
      expect(second.workers.localChildren().size).toBe(0)
    })
  }

  test('two nodes: one that moves meanwhile is not hurt by those that cannot', async () => {
    const [first, second] = await troubled('takeoverThrows')
    const ids = Array.from({ length: 20 }, (_, id) => id)
    await Promise.all(ids.map((id) => first.workers.startChild(Tally, [id, {}], { id })))
    await Promise.all(ids.map((id) => first.workers.child<Tally>(id).call('add', id)))
    const moved = await Promise.all(
      ['x', ...ids].map((id) => first.workers.moveChild(id, second.name)),
    )
    expect(moved).toEqual([false, ...ids.map(() => true)])
    for (const id of ids) {
      expect(await first.workers.child<Tally>(id).call('value')).toBe(id)
    }
    await cluster.eachOnce(['x', ...ids])
  })

  test('two nodes: one whose handler does not end in time stays, and is not asked for its state', async () => {
    const [first, second] = await troubled()
    const child = first.workers.child<Tally>('x')
    const resting = child.call('rest', HANDOFF_MS * 10, first.citadel.self as Pid)
    expect(await first.citadel.receive()).toBe('rests')
    expect(await first.workers.moveChild('x', second.name)).toBe(false)
    expect(await resting).toBe(first.name)
    expect(await child.call('story')).toEqual({ cameFrom: undefined, aborted: 0 })
    expect(await first.workers.moveChild('x', second.name)).toBe(true)
    expect(await child.call('where')).toBe(second.name)
  })

  test('two nodes: one that crashes while it is held is started again where it is', async () => {
    const [first, second] = await troubled('takeoverHangs')
    const child = first.workers.child<Tally>('x')
    const pid = first.workers.lookup('x')!
    const moving = first.workers.moveChild('x', second.name)
    first.citadel.exit(pid, 'kill')
    expect(await moving).toBe(false)
    await eventually(async () => (await child.call('where')) === first.name)
    expect(first.workers.lookup('x')?.equals(pid)).toBe(false)
    await cluster.eachOnce(['x'])
  })
})
