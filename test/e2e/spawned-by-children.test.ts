/** What a child has spawned belongs to that instance of it, and does not outlive it where it was. */
import { afterEach, expect, test } from 'vitest'
import { type Citadel, GenServer, type Pid } from '../../src/index.js'
import { LocalCluster, type LocalNode } from '../support/local-cluster.js'

const helpers: Pid[] = []
const ends: unknown[] = []

class Helper extends GenServer {
  init(): void {
    this.trapExit = true
    helpers.push(this.self as Pid)
  }
  terminate(reason: unknown): void {
    ends.push(reason)
  }
}

class Owner extends GenServer {
  async init(): Promise<void> {
    const pid = await this.citadel.spawn(Helper, [], { link: true })
    helpers.push(await this.citadel.spawn(forever, { link: true }))
    // Of those that it has spawned, that one stays the helper of nobody else.
    this.citadel.monitor(pid)
  }
  befriend(pid: Pid): void {
    this.citadel.link(pid)
  }
  handoff(): string {
    return 'state'
  }
  takeover(): void {}
}

const forever = (): Promise<never> => new Promise(() => {})

let cluster: LocalCluster

afterEach(async () => {
  helpers.length = 0
  ends.length = 0
  await cluster.stop()
})

test('two nodes: of what a child has spawned one copy is left after four moves, and what it is linked to lives', async () => {
  cluster = await LocalCluster.start(2, { modules: { Owner }, rebalance: 'manual' })
  const [one, two] = cluster.nodes as [LocalNode, LocalNode]
  const nodes = new Map<string, Citadel>([
    [one.name, one.citadel],
    [two.name, two.citadel],
  ])
  const alive = (): Pid[] => helpers.filter((pid) => nodes.get(pid.node)?.isAlive(pid))
  await one.workers.startChild(Owner, [], { id: 'x' })
  await cluster.known('x')
  const home = nodes.get(cluster.place('x')!)!
  const friend = await home.spawn(forever)
  await one.workers.child<Owner>('x').call('befriend', friend)
  for (let move = 0; move < 4; move++) {
    const to = cluster.place('x') === one.name ? two : one
    expect(await one.workers.moveChild('x', to.name)).toBe(true)
    await cluster.known('x', to)
    await expect.poll(() => alive().map(({ node }) => node)).toEqual([to.name, to.name])
  }
  expect(ends).toEqual(['shutdown', 'shutdown', 'shutdown', 'shutdown'])
  expect(home.isAlive(friend)).toBe(true)
  // The end of the old helpers was no end of the child.
  expect(one.events.filter(({ type }) => type === 'crashed')).toEqual([])
})
