/**
 * Strangers who fill the port of a node, or of its EPMD, and say nothing of use: whoever belongs to
 * the cluster gets in all the same, and at once.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { systemWorld } from '../../../src/base/system-world.js'
import type { Address, Connection } from '../../../src/base/transport.js'
import type { World } from '../../../src/base/world.js'
import { CITADEL_FLAGS } from '../../../src/distribution/flags.js'
import { Handshake } from '../../../src/distribution/handshake.js'
import { EpmdClient } from '../../../src/epmd/epmd-client.js'
import { EpmdServer } from '../../../src/epmd/epmd-server.js'
import { parseAddress } from '../../../src/mesh/address.js'
import { Simulation } from '../../../src/testing/simulation.js'
import { eventually } from '../../support/eventually.js'
import { freePort } from '../../support/free-port.js'
import { MeshNode } from '../../support/mesh-node.js'

const A = 'a@127.0.0.1'
const STRANGERS = 600
const RETURN_MS = 200

/** Connections of strangers, each of which comes again soon after it was closed. */
class Crowd {
  turnedAway = 0
  private readonly connections = new Set<Connection>()
  private here = true

  constructor(
    private readonly world: World,
    private readonly to: Address,
    /** What each of them says first, and last. */
    private readonly words: (index: number) => Uint8Array | undefined = () => undefined,
  ) {
    for (let index = 0; index < STRANGERS; index++) this.come(index)
  }

  private come(index: number): void {
    if (!this.here) return
    const connection: Connection = this.world.transport.dial(this.to, {
      opened: () => {
        const words = this.words(index)
        if (words) connection.write(words)
      },
      received() {},
      closed: () => {
        this.turnedAway++
        this.connections.delete(connection)
        this.world.clock.after(RETURN_MS, () => this.come(index))
      },
    })
    this.connections.add(connection)
  }

  leave(): void {
    this.here = false
    for (const connection of this.connections) connection.destroy()
  }
}

/** The name of a node, as the first word of a handshake that is not gone on with. */
function greeting(index: number): Uint8Array {
  const handshake = new Handshake({
    role: 'initiator',
    self: { name: `x${index}@127.0.0.1`, creation: 5, flags: CITADEL_FLAGS },
    cookie: 'not known',
    challenge: 1,
    peerName: A,
  })
  for (const effect of handshake.step({ type: 'start' })) {
    if (effect.type === 'send') return effect.bytes
  }
  throw new Error('a handshake begins with a word')
}

describe('two nodes in the simulated world: a newcomer gets in within half a second', () => {
  test.each([
    ['who say nothing', () => undefined],
    ['who say a name and no more', greeting],
  ] as const)('while 600 strangers %s keep connecting', async (_who, words) => {
    const simulation = new Simulation({ seed: 1 })
    const start = async (name: string): Promise<MeshNode> => {
      const [, host = ''] = name.split('@')
      const { world } = simulation.program(host)
      const own = { epmdPort: 4369, epmdHost: host, world, listen: { host, port: 0 } }
      const node = new MeshNode(name, own)
      await simulation.settle(node.mesh.start())
      return node
    }
    const a = await start('a@h1')
    const address = parseAddress(a.mesh.addresses[0]!)!
    const crowd = new Crowd(simulation.program('h9').world, address, words)
    await simulation.runFor(2_000)
    expect(crowd.turnedAway).toBeGreaterThan(0)
    const b = await start('b@h2')
    const before = simulation.now
    expect(await simulation.settle(b.mesh.connect('a@h1'))).toBe(true)
    expect(simulation.now - before).toBeLessThan(500)
    await simulation.runFor(3_000)
    expect([a.status('b@h2'), b.saw('unreachable', 'a@h1')]).toEqual(['connected', 0])
    // One line in ten seconds of a kind.
    expect(a.log.lines.length).toBeLessThan(6)
    crowd.leave()
  })
})

describe('over real connections', () => {
  const world = systemWorld()
  const open: { stop(): Promise<void> | void }[] = []

  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.stop()
  })

  function crowdAt(to: Address): Crowd {
    const crowd = new Crowd(world, to)
    open.push({ stop: () => crowd.leave() })
    return crowd
  }

  test('two nodes: a newcomer gets in while 600 strangers who say nothing keep connecting', async () => {
    const epmdPort = await freePort()
    const nodes = [A, 'b@127.0.0.1'].map((name) => new MeshNode(name, { epmdPort }))
    open.push(...nodes)
    const [a, b] = nodes as [MeshNode, MeshNode]
    await a.mesh.start()
    await b.mesh.start()
    const crowd = crowdAt(parseAddress(a.mesh.addresses[0]!)!)
    await eventually(() => crowd.turnedAway > STRANGERS, { timeoutMs: 20_000 })
    await eventually(() => b.mesh.connect(A), { timeoutMs: 20_000 })
  })

  test('one EPMD: a node registers while 600 strangers who say nothing keep connecting', async () => {
    const server = await EpmdServer.start({ world, port: 0, connectionsMax: 100 })
    open.push({ stop: () => server.close() })
    const { transport, clock } = world
    const client = new EpmdClient({ transport, clock, port: server.address.port })
    // Those that hold a name are never closed for others.
    const first = await client.register({ name: 'first', port: 1 })
    open.push({ stop: () => first.close() })
    const crowd = crowdAt(server.address)
    await eventually(() => crowd.turnedAway > STRANGERS, { timeoutMs: 20_000 })
    // On a machine that stands still more of them may come at once than there is room for.
    const late = await eventually(() => client.register({ name: 'late', port: 2 }))
    open.push({ stop: () => late.close() })
    expect(await eventually(() => client.lookup('late'))).toEqual({ name: 'late', port: 2 })
    expect(server.names().map(({ name }) => name)).toEqual(['first', 'late'])
  })
})
