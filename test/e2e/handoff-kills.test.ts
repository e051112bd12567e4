/**
 * SIGKILL to the old or to the new node of a handoff, at each of its steps. Three nodes that are
 * processes of their own; one child with state moves from one to another, and others to and fro
 * beside it. Afterwards each runs exactly once, and wherever a node with the state lives, the state.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { HandoffStep } from '../../src/cluster/handoff/handoff-offer.js'
import { rendezvous } from '../../src/cluster/placement/placement.js'
import { TestCluster, type TestNode } from '../support/cluster.js'
import { eventually } from '../support/eventually.js'

type Side = 'old' | 'new'
/** Who decides about the child's id. */
type Home = Side | 'third'

interface Case {
  step: HandoffStep
  dies: Side
  home: Home
  /** What becomes of the state: it is carried on, or died with the only node that had it. */
  state: 'kept' | 'lost'
}

/** The steps that the old node takes; the others are the new one's. */
const OLD_STEPS: readonly HandoffStep[] = ['quiet', 'state', 'sent', 'forwarding', 'released']

const CASES: readonly Case[] = [
  // Until it is on its way the state is nowhere but on the old node.
  { step: 'quiet', dies: 'old', home: 'new', state: 'lost' },
  { step: 'state', dies: 'old', home: 'third', state: 'lost' },
  { step: 'sent', dies: 'old', home: 'old', state: 'lost' },
  { step: 'started', dies: 'old', home: 'new', state: 'kept' },
  { step: 'started', dies: 'old', home: 'old', state: 'kept' },
  { step: 'granted', dies: 'old', home: 'old', state: 'kept' },
  { step: 'committed', dies: 'old', home: 'new', state: 'kept' },
  { step: 'forwarding', dies: 'old', home: 'old', state: 'kept' },
  { step: 'released', dies: 'old', home: 'new', state: 'kept' },
  // Until the others have heard of the commit, the old node has not given it up.
  { step: 'quiet', dies: 'new', home: 'new', state: 'kept' },
  { step: 'state', dies: 'new', home: 'old', state: 'kept' },
  { step: 'sent', dies: 'new', home: 'third', state: 'kept' },
  { step: 'started', dies: 'new', home: 'new', state: 'kept' },
  { step: 'granted', dies: 'new', home: 'third', state: 'kept' },
  { step: 'granted', dies: 'new', home: 'new', state: 'kept' },
  { step: 'committed', dies: 'new', home: 'old', state: 'kept' },
  { step: 'committed', dies: 'new', home: 'third', state: 'kept' },
  // From then on the new node is the only one that has it.
  { step: 'forwarding', dies: 'new', home: 'third', state: 'lost' },
  { step: 'released', dies: 'new', home: 'new', state: 'lost' },
]

const COUNT = 1_000_000_000
const BESIDE = 10
const LONG = { timeoutMs: 20_000, everyMs: 20 }

let cluster: TestCluster
/** One is always ready to take the place of one that was killed. */
let spare: Promise<TestNode>
let added = 3

const addSpare = (): Promise<TestNode> => cluster.prepare(`n${++added}`)

beforeAll(async () => {
  cluster = await TestCluster.start(3, { supervisor: { rebalance: 'manual' } })
  spare = addSpare()
}, 60_000)

beforeEach(async () => {
  cluster.forgetDead()
  while (cluster.alive.length < 3) {
    await cluster.admit(await spare)
    spare = addSpare()
  }
})

afterAll(async () => {
  await spare?.catch(() => undefined)
  await cluster?.stop()
})

interface Roles {
  old: TestNode
  new: TestNode
  third: TestNode
}

/** An id that these nodes are chosen for, best first. */
function idFor(prefix: string, nodes: readonly TestNode[]): string {
  for (let n = 0; ; n++) {
    const id = `${prefix} ${n}`
    const members = cluster.alive.map(({ name: node }) => ({ node, weight: 1 }))
    const fits = nodes.every(({ name }) => {
      const best = rendezvous.choose(id, members)
      members.splice(
        members.findIndex(({ node }) => node === best),
        1,
      )
      return best === name
    })
    if (fits) return id
  }
}

/** In the case of the old node's death the new one is who adopts the child: so nobody races with it. */
function subjectFor({ step, dies, home }: Case, roles: Roles): string {
  const order = dies === 'old' && home === 'old' ? [roles.old, roles.new] : [roles[home]]
  return idFor(`${step} ${dies} ${home}`, order)
}

async function startAll(node: TestNode, ids: readonly string[]): Promise<void> {
  await node.run(
    async ({ workers, Carried }, all, count) => {
      for (const id of all) {
        await workers.startChild(Carried, [id], { id })
        await workers.child<InstanceType<typeof Carried>>(id).call('put', count)
      }
    },
    ids,
    COUNT,
  )
}

/** Begins to call the child from `node`, by its handle and by the pid it has now. */
const startCalling = (node: TestNode, id: string): Promise<void> =>
  node.run(({ citadel, workers, kept, sleep }, child) => {
    const seen = { byHandle: [] as number[], failed: [] as string[], stopped: false }
    const call = async (next: () => Promise<unknown>, results: number[] | undefined) => {
      while (!seen.stopped) {
        try {
          const count = (await next()) as number
          results?.push(count)
        } catch (error) {
          seen.failed.push((error as { code?: string }).code ?? String(error))
          await sleep(5)
        }
      }
    }
    const pid = workers.lookup(child)!
    const calling = [
      call(() => workers.child(child).call('next' as never), seen.byHandle),
      call(() => citadel.call(pid as never, 'next' as never), undefined),
    ]
    kept.set('seen', seen)
    kept.set('calling', calling)
  }, id)

const stopCalling = (node: TestNode): Promise<{ byHandle: number[]; failed: string[] }> =>
  node.run(async ({ kept }) => {
    const seen = kept.get('seen') as { byHandle: number[]; failed: string[]; stopped: boolean }
    seen.stopped = true
    await Promise.all(kept.get('calling') as Promise<void>[])
    return { byHandle: seen.byHandle, failed: seen.failed }
  })

/** Every id runs once, and all who are left know where. */
async function eachOnce(ids: readonly string[]): Promise<void> {
  await eventually(async () => {
    expect(await cluster.running()).toEqual([...ids].sort())
    const views = await Promise.all(
      cluster.alive.map((node) =>
        node.run(
          ({ workers }, all) => [workers.nodes(), ...all.map((id) => String(workers.lookup(id)))],
          ids,
        ),
      ),
    )
    expect(views[0]![0]).toEqual(cluster.alive.map(({ name }) => name))
    expect(views[1]).toEqual(views[0])
    expect(views[0]).not.toContain('undefined')
    return true
  }, LONG)
}

async function strike(one: Case): Promise<void> {
  const [a, b, c] = cluster.alive as [TestNode, TestNode, TestNode]
  const roles = { old: a, new: b, third: c }
  const subject = subjectFor(one, roles)
  const beside = Array.from({ length: BESIDE }, (_, n) => `${subject} beside ${n}`)
  const ids = [subject, ...beside]
  await startAll(c, ids)
  const names = { old: a.name, new: b.name }
  await c.run(
    async ({ workers }, child, others, { old, new: to }) => {
      await workers.moveChild(child, old)
      for (const [n, id] of others.entries()) await workers.moveChild(id, n % 2 === 0 ? old : to)
    },
    subject,
    beside,
    names,
  )
  await startCalling(c, subject)

  const striker = OLD_STEPS.includes(one.step) ? a : b
  const victim = roles[one.dies]
  await striker.run(({ strikes }, blow) => void strikes.push(blow), {
    step: one.step,
    id: subject,
    victim: victim.pid,
  })
  await c.run(
    ({ workers }, child, others, { old, new: to }) => {
      for (const [n, id] of [child, ...others].entries()) {
        workers.moveChild(id, n % 2 === 1 ? to : n === 0 ? to : old).catch(() => undefined)
      }
    },
    subject,
    beside,
    names,
  )
  await eventually(() => victim.hasEnded, { what: `${victim.name} was killed`, ...LONG })
  await eachOnce(ids)

  const { byHandle, failed } = await stopCalling(c)
  const values = await c.run(
    ({ workers }, all) =>
      Promise.all(all.map((id) => workers.child(id).call('value' as never) as Promise<number>)),
    ids,
  )
  const isKept = values[0]! >= COUNT
  expect({ state: isKept ? 'kept' : 'lost' }).toEqual({ state: one.state })
  if (isKept) {
    // No call was carried out twice, none that was answered is missing from the state.
    expect(new Set(byHandle).size).toBe(byHandle.length)
    expect([...byHandle].sort((x, y) => x - y)).toEqual(byHandle)
    expect(byHandle.at(-1) ?? COUNT).toBeLessThanOrEqual(values[0]!)
  }
  // The callers on the third node notice nothing of the new node's death before the commit.
  if (one.dies === 'new' && isKept) expect(failed).toEqual([])
  for (const value of values.slice(1)) expect([0, COUNT]).toContain(value)

  await c.run(
    ({ workers }, all) => Promise.all(all.map((id) => workers.terminateChild(id))).then(() => {}),
    ids,
  )
}

for (const one of CASES) {
  const { step, dies, home, state } = one
  test(`three nodes: at '${step}' the ${dies} node is killed, the ${home} one is home: runs once, state ${state}`, () =>
    strike(one))
}
