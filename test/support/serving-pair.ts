/**
 * Two nodes, one of which is put to the test: a target and a friend that must notice nothing. The
 * check after each test is what "goes on serving" means.
 */
import { expect } from 'vitest'
import type { Address } from '../../src/base/transport.js'
import { parseAddress } from '../../src/mesh/address.js'
import type { Pid } from '../../src/term/pid.js'
import { numbers, TestCluster, type TestNode } from './cluster.js'
import { eventually } from './eventually.js'
import { Intruder } from './intruder.js'
import type { Worker } from './workers.js'

export class ServingPair {
  #logged = 0

  private constructor(
    readonly cluster: TestCluster,
    readonly target: TestNode,
    readonly friend: TestNode,
    /** Where the target listens. */
    readonly address: Address,
    /** A process of the target, also known by its local name and its key, `target`. */
    readonly pid: Pid<Worker>,
  ) {}

  static async start(): Promise<ServingPair> {
    const cluster = await TestCluster.start(2, { strictMessages: true, mailboxMax: 100 })
    const [target, friend] = cluster.nodes as [TestNode, TestNode]
    const address = parseAddress((await target.run(({ citadel }) => citadel.addresses))[0]!)!
    await cluster.startChildren(numbers(10))
    const pid = await target.run(async ({ citadel, Worker }) => {
      const worker = await citadel.spawn(Worker, ['target'], { name: 'target' })
      await citadel.registry.register('target', worker)
      return worker
    })
    await eventually(() => friend.run(({ citadel }) => citadel.registry.findByKey('target')))
    return new ServingPair(cluster, target, friend, address, pid)
  }

  /** What the target has logged since the test began. */
  get newLines(): string[] {
    return this.target.log.slice(this.#logged)
  }

  begin(): void {
    this.#logged = this.target.log.length
  }

  /** Somebody who dials the target. */
  intruder(name = 'evil@127.0.0.1', cookie = this.cluster.cookie): Promise<Intruder> {
    return Intruder.dial({ address: this.address, name: this.target.name }, { name, cookie })
  }

  /** An intruder that the target takes for a Citadel node. */
  async member(): Promise<Intruder> {
    const evil = await this.intruder()
    evil.introduce()
    const isMember = () =>
      this.target.run(({ citadel }, name) => citadel.nodes().includes(name), evil.pid.node)
    await eventually(isMember)
    return evil
  }

  /** Nobody was lost, no child restarted, calls and writes are answered. */
  async check(): Promise<void> {
    const { target, friend, pid } = this
    await eventually(() =>
      friend.run(
        async ({ citadel }, to) => (await citadel.call(to, 'echo', 'hello')) === 'hello',
        pid,
      ),
    )
    await friend.run(async ({ citadel, Worker }) => {
      const worker = await citadel.spawn(Worker, ['probe'])
      await citadel.registry.register('probe', worker)
      await citadel.groups.join('probes', worker)
      await citadel.registry.unregister('probe')
      citadel.exit(worker, 'kill')
    })
    expect(await target.run(({ citadel }) => citadel.nodes())).toContain(friend.name)
    for (const node of [target, friend]) {
      const downs = await node.run(
        ({ events }, peers) =>
          events.filter(
            ({ type, node }) => type !== 'up' && type !== 'changed' && peers.includes(node),
          ),
        [target.name, friend.name],
      )
      expect(downs).toEqual([])
      expect(await node.run(({ workers }) => workers.members().size)).toBe(10)
    }
  }
}
