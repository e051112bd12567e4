/**
 * Replicas of one scope wired by hand: every pair of nodes has two ordered links, messages wait on
 * them until the test delivers them, and a cut loses what is on its way. Messages pass the codec.
 */

import { Members } from '../../src/cluster/replication/members.js'
import { Origin } from '../../src/cluster/replication/origin.js'
import { Replica } from '../../src/cluster/replication/replica.js'
import type { ScopeMessage } from '../../src/cluster/scopes/scope-message.js'
import { type Claim, ClaimTable, claimPut } from '../../src/cluster/tables/claim-table.js'
import { type ChildRecipe, SpecTable, specPut } from '../../src/cluster/tables/spec-table.js'
import { copyTerm } from '../../src/term/codec.js'
import { Pid } from '../../src/term/pid.js'

export const recipe: ChildRecipe = {
  module: 'Worker',
  args: [1],
  restart: 'permanent',
  shutdownMs: 5_000,
  token: 't',
}

type Kind = 'claims' | 'specs'

export interface ReplicaNode {
  readonly name: string
  readonly creation: number
  readonly own: Origin
  readonly replica: Replica
  readonly members: Members
  readonly claims: ClaimTable
  readonly specs: SpecTable
}

export class ReplicaNet {
  now = 0
  readonly nodes = new Map<string, ReplicaNode>()
  private readonly links = new Map<string, ScopeMessage[]>()
  private creations = 0

  constructor(
    private readonly kind: Kind,
    private readonly logMax: number,
  ) {}

  /** Starts a node, or starts it again as another creation. */
  start(name: string): ReplicaNode {
    const creation = ++this.creations
    const own = new Origin(name, creation)
    const claims = new ClaimTable(own, () => {})
    const specs = new SpecTable(
      () => this.now,
      () => {},
    )
    const table = this.kind === 'claims' ? claims : specs
    const now = (): number => this.now
    const members = new Members()
    const replica = new Replica({ scope: 's', table, own, now, logMax: this.logMax, members })
    // One row to a chunk, so that snapshots take a while.
    replica.chunkWas(['o', 's', [['one row']]], 1_000_000)
    const node = { name, creation, own, replica, members, claims, specs }
    this.nodes.set(name, node)
    return node
  }

  node(name: string): ReplicaNode {
    return this.nodes.get(name)!
  }

  connected(a: string, b: string): boolean {
    return this.links.has(`${a} ${b}`)
  }

  /** Both see the other as up, and send their heads. */
  connect(a: string, b: string): void {
    if (this.connected(a, b)) return
    this.links.set(`${a} ${b}`, [])
    this.links.set(`${b} ${a}`, [])
    const one = this.node(a)
    const other = this.node(b)
    one.replica.memberUp(b, other.creation)
    other.replica.memberUp(a, one.creation)
    this.drain()
    this.heads(a, b)
    this.heads(b, a)
  }

  cut(a: string, b: string): void {
    if (!this.links.delete(`${a} ${b}`)) return
    this.links.delete(`${b} ${a}`)
    this.nodes.get(a)?.replica.memberDown(b)
    this.nodes.get(b)?.replica.memberDown(a)
  }

  /** The node is gone; the others hold it for dead, and send their heads, as with each new view. */
  crash(name: string): void {
    const { creation } = this.node(name)
    for (const other of this.nodes.keys()) this.cut(name, other)
    this.nodes.delete(name)
    for (const { replica } of this.nodes.values()) replica.memberDead(name, creation)
    this.drain()
    for (const a of this.nodes.keys()) for (const b of this.nodes.keys()) this.heads(a, b)
  }

  heads(from: string, to: string): void {
    const { replica } = this.node(from)
    replica.flush()
    this.drain()
    const { living, all } = replica.digests
    const head = [['s', replica.out.seq, replica.applied(to), living, all]] as const
    this.links.get(`${from} ${to}`)?.push(['h', 0, head, 0, 0])
  }

  put(name: string, key: string, epoch = 1, value: unknown = null): void {
    const { own, claims, replica, creation } = this.node(name)
    const pid = new Pid(name, 1, 0, creation)
    const claim: Claim = {
      id: key,
      key,
      pid,
      epoch,
      forced: false,
      meta: value ?? undefined,
      origin: own,
      mark: 0,
      place: 0,
    }
    claims.set(claim, 'normal')
    replica.wrote(claimPut(claim))
  }

  delete(name: string, key: string): void {
    const { own, claims, replica } = this.node(name)
    if (!own.rows.has(key)) return
    claims.delete(own, key, 'normal')
    replica.wrote(key)
  }

  putSpec(name: string, id: string, alive = true): void {
    const { specs, replica } = this.node(name)
    const version = specs.versionMax + 1
    const row = {
      id,
      childId: id,
      recipe: alive ? recipe : undefined,
      version,
      author: name,
      learnedAt: this.now,
    }
    if (specs.merge(row)) replica.wrote(specPut(row))
  }

  /** Broadcasts what a node has written. */
  flush(name: string): void {
    this.node(name).replica.flush()
    this.drain()
  }

  /** What waits between two nodes, by its letter: `['h', 'u']`. */
  waiting(from: string, to: string): string[] {
    return (this.links.get(`${from} ${to}`) ?? []).map(([letter]) => letter)
  }

  lose(from: string, to: string): void {
    this.links.get(`${from} ${to}`)?.shift()
  }

  /** Delivers the oldest message between two nodes. False: there is none. */
  deliver(from: string, to: string): boolean {
    const message = this.links.get(`${from} ${to}`)?.shift()
    if (!message) return false
    this.receive(this.node(to), from, copyTerm(message) as ScopeMessage)
    this.drain()
    return true
  }

  /** Delivers the oldest message of one of the links on which something waits. */
  deliverOne(pick: number): void {
    const busy = [...this.links].filter(([, messages]) => messages.length > 0)
    const key = busy[pick % Math.max(1, busy.length)]?.[0]
    if (key) this.deliver(...(key.split(' ') as [string, string]))
  }

  /** The next chunk of every snapshot that a node is sending. */
  sendChunks(name: string): boolean {
    const { replica } = this.node(name)
    const receivers = replica.receivers()
    for (const to of receivers) {
      const message = replica.nextChunk(to)
      this.drain()
      if (message) this.links.get(`${name} ${to}`)?.push(message)
    }
    return receivers.length > 0
  }

  /** Delivers, sends and removes until nothing is left to do. */
  run(): void {
    for (let busy = true; busy; ) {
      busy = false
      this.drain()
      for (const key of [...this.links.keys()]) {
        const [from, to] = key.split(' ') as [string, string]
        while (this.deliver(from, to)) busy = true
      }
      for (const [name, { replica }] of this.nodes) {
        if (this.sendChunks(name)) busy = true
        replica.removeSome(this.now)
      }
    }
  }

  /** All connect, and some rounds of heads go by. */
  quiet(): void {
    const names = [...this.nodes.keys()]
    for (const a of names) for (const b of names) if (a < b) this.connect(a, b)
    for (let round = 0; round < 8; round++) {
      this.run()
      this.now += 11_000
      for (const a of names) for (const b of names) if (a !== b) this.heads(a, b)
    }
    this.run()
    for (const { replica } of this.nodes.values()) replica.removeSome(Number.POSITIVE_INFINITY)
  }

  private receive({ replica, members }: ReplicaNode, from: string, message: ScopeMessage): void {
    switch (message[0]) {
      case 'h':
        members.came(from, this.now)
        for (const [, seq, , living, all] of message[2]) replica.head(from, seq, { living, all })
        break
      case 'u':
        replica.updates(from, message[2], message[3], message[4])
        break
      case 'n':
        replica.need(from, message[2])
        break
      case 's':
        replica.chunk(from, message[2], message[3], message[4], message[5])
        break
      case 'c':
        replica.commit(from, message[2], message[3])
        break
      case 'd':
        replica.differs(from, message[2])
        break
      case 'o':
        replica.offered(from, message[2])
        break
      default:
        break
    }
  }

  /** Puts what the replicas want sent on the links. */
  private drain(): void {
    for (const [name, { replica }] of this.nodes) {
      for (const { to, message } of replica.outgoing) {
        if (to !== undefined) this.links.get(`${name} ${to}`)?.push(message)
        else {
          for (const other of this.nodes.keys()) this.links.get(`${name} ${other}`)?.push(message)
        }
      }
      replica.outgoing.length = 0
    }
  }
}
