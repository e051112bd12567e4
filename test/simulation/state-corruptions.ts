/**
 * A settled cluster in which one thing is not as it must be: each corruption changes a row, a list or
 * a counter of a living node, is looked at by the checker it is meant for, and is taken back.
 */

import { DeathWatch } from '../../simulator/checks/death-watch.js'
import type { GrantWatch } from '../../simulator/checks/grant-watch.js'
import type { InvariantId } from '../../simulator/checks/invariants.js'
import { CHILDREN_SCOPE, type Ledgers, SPECS_SCOPE } from '../../simulator/checks/ledgers.js'
import { RowWatch } from '../../simulator/checks/row-watch.js'
import { Unharmed } from '../../simulator/checks/unharmed.js'
import type { ClusterMember } from '../../simulator/cluster/cluster-member.js'
import { checkHeirs, checkSettled } from '../../simulator/final-checks.js'
import { Liveness } from '../../simulator/liveness.js'
import type { Manner } from '../../simulator/manner.js'
import { REGISTRY_SCOPE } from '../../src/cluster/registry/key-registry.js'
import type { Row } from '../../src/cluster/replication/origin.js'
import type { RowMap } from '../../src/cluster/replication/row-map.js'
import type { Claim } from '../../src/cluster/tables/claim-table.js'
import { Pid } from '../../src/term/pid.js'
import { ShadowOracle, type Verdict } from './shadows.js'

type Undo = () => void

interface Case {
  readonly what: string
  readonly breaks: readonly InvariantId[]
  corrupt(): Undo
}

/** Something of an object is another until it is undone. */
function patch<T extends object, K extends keyof T>(object: T, key: K, value: T[K]): Undo {
  const own = Object.getOwnPropertyDescriptor(object, key)
  Object.defineProperty(object, key, { value, configurable: true, writable: true })
  return () => {
    if (own) Object.defineProperty(object, key, own)
    else delete object[key]
  }
}

const DEAD_SERIAL = 4_000_000

export class StateCorruptions {
  readonly verdicts: Verdict[] = []
  private readonly living: readonly ClusterMember[]

  constructor(
    private readonly ledgers: Ledgers,
    private readonly manner: Manner,
    private readonly grants: GrantWatch,
  ) {
    this.living = ledgers.oracle.cluster.living
  }

  async run(): Promise<void> {
    const settled = [...this.rows(), ...this.leftovers(), ...this.connections()]
    await this.each('the settled cluster', settled, async (ledgers) => {
      checkSettled(ledgers, this.living, this.manner)
      checkHeirs(ledgers, this.living)
    })
    await this.each('five seconds after the last fault', [...this.apart()], (ledgers) =>
      new Liveness(ledgers).checkConverged(async () => {}),
    )
    await this.each('rows and their origin', [...this.replicas()], async (ledgers) => {
      const scopes = [REGISTRY_SCOPE, 'g:groups', CHILDREN_SCOPE]
      const watch = new RowWatch(ledgers.oracle, scopes)
      Object.assign(watch, { histories: this.ledgers.rows['histories'] })
      watch.check()
    })
    await this.deaths()
    await this.unharmed()
    this.grantsOfKeys()
  }

  private async each(
    checker: string,
    cases: readonly Case[],
    check: (ledgers: Ledgers) => Promise<void>,
  ): Promise<void> {
    await this.judge(checker, { what: 'nothing', breaks: [], corrupt: () => () => {} }, check)
    for (const one of cases) await this.judge(checker, one, check)
  }

  private async judge(
    checker: string,
    { what, breaks, corrupt }: Case,
    check: (ledgers: Ledgers) => Promise<void>,
  ): Promise<void> {
    const ledgers = this.shadow()
    const undo = corrupt()
    try {
      await check(ledgers)
    } finally {
      undo()
    }
    this.verdicts.push({ checker, what, breaks, found: ledgers.oracle.breach?.invariant })
  }

  /** The ledgers with an oracle of their own. */
  private shadow(): Ledgers {
    const oracle = new ShadowOracle(this.ledgers.oracle.cluster)
    return Object.create(this.ledgers, { oracle: { value: oracle } }) as Ledgers
  }

  // The tables.

  private *rows(): Iterable<Case> {
    const other = this.living.at(-1)!
    for (const name of [REGISTRY_SCOPE, CHILDREN_SCOPE]) {
      const { table } = other.node.scopes.scope<'c'>(name)
      const owners = [...table.owners()]
      const another = owners.at(-1)!.pid
      const changes: Record<string, (claim: Claim, at: number) => Claim | undefined> = {
        'an owner is missing': (claim, at) => (at === 0 ? undefined : claim),
        'an owner has a lower epoch': (claim, at) =>
          at === 0 ? { ...claim, epoch: claim.epoch - 1 } : claim,
        'a key has another owner': (claim, at) => (at === 0 ? { ...claim, pid: another } : claim),
      }
      for (const [what, change] of Object.entries(changes)) {
        const wrong = owners.map(change).filter((claim) => claim !== undefined)
        const corrupt = () =>
          patch(table, 'owners', (() => wrong) as unknown as typeof table.owners)
        yield { what: `${what} (${name})`, breaks: ['I1'], corrupt }
      }
    }
    yield* this.specs(other)
    yield* this.groups(other)
    for (const member of this.living) yield* this.deadRows(member)
  }

  private *specs({ node }: ClusterMember): Iterable<Case> {
    const { rows } = node.scopes.scope<'s'>(SPECS_SCOPE).table
    const [id, row] = [...rows][0]!
    const put = (value: typeof row | undefined) => () => {
      if (value) rows.set(id, value)
      else rows.delete(id)
      return () => void rows.set(id, row)
    }
    yield { what: 'a spec is missing', breaks: ['I1'], corrupt: put(undefined) }
    const older = { ...row, version: row.version - 1 }
    yield { what: 'a spec is an older one', breaks: ['I1'], corrupt: put(older) }
    const ended = { ...row, recipe: row.recipe ? undefined : ({} as never) }
    yield { what: 'a spec says the opposite', breaks: ['I1', 'I4'], corrupt: put(ended) }
  }

  private *groups({ node }: ClusterMember): Iterable<Case> {
    const { table } = node.scopes.scope<'g'>('g:groups')
    const [group] = [...table.groups()] as string[]
    const members = table.members.bind(table)
    const list = members(group!)
    const wrong = (rows: unknown) => () =>
      patch(table, 'members', ((name: string) =>
        name === group ? rows : members(name)) as typeof table.members)
    yield { what: 'a member is missing', breaks: ['I1'], corrupt: wrong([...list].slice(1)) }
    const more = [...list].map((row) => ({ ...row, count: row.count + 1 }))
    yield { what: 'members have joined once more', breaks: ['I1'], corrupt: wrong(more) }
  }

  private *deadRows({ node, name, creation }: ClusterMember): Iterable<Case> {
    for (const scopeName of [REGISTRY_SCOPE, 'g:groups']) {
      const { own } = node.scopes.scope<'c' | 'g'>(scopeName)
      const rows = own.rows as RowMap<Row & { pid?: Pid }>
      const pid = new Pid(name, 1, DEAD_SERIAL, creation)
      const corrupt = () => {
        rows.set('dead', { ...[...rows.values()][0], id: 'dead', pid } as Row)
        return () => void rows.delete('dead')
      }
      yield {
        what: `${name} holds a row of a dead process (${scopeName})`,
        breaks: ['I2'],
        corrupt,
      }
    }
  }

  private *leftovers(): Iterable<Case> {
    for (const { name, node, supervisor } of this.living.slice(0, 2)) {
      const { scopes, kernel } = node
      const fill = (where: Map<unknown, unknown> | Set<unknown>) => () => {
        if (where instanceof Map) where.set('left', {})
        else where.add('left')
        return () => void where.delete('left')
      }
      const { table } = scopes.scope<'c'>(REGISTRY_SCOPE)
      const places = {
        'a reservation': (table as unknown as { reserved: Map<unknown, unknown> }).reserved,
        'a child to be started': supervisor['runner']['starts']['underWay'] as Map<
          unknown,
          unknown
        >,
      }
      for (const [what, where] of Object.entries(places)) {
        yield { what: `${what} is left on ${name}`, breaks: ['I10'], corrupt: fill(where) }
      }
      const processes = [...kernel.processes()]
      const wrong = (change: object) => () =>
        patch(kernel, 'processes', () => processes.map((one) => ({ ...one, ...change })) as never)
      const held = wrong({ status: 'held' })
      yield { what: `processes of ${name} are held`, breaks: ['I10', 'I4'], corrupt: held }
      const full = wrong({ mailboxLength: 3, kind: 'x' })
      yield { what: `messages wait on ${name}`, breaks: ['I10'], corrupt: full }
      const counters = kernel.counters()
      const pending = () => patch(kernel, 'counters', () => ({ ...counters, pendingCalls: 1 }))
      yield { what: `a call of ${name} is pending`, breaks: ['I10'], corrupt: pending }
    }
    const { timeline } = this.ledgers.oracle.cluster.simulation
    const events = () => patch(timeline, 'size', 1_000)
    yield { what: 'a thousand events wait', breaks: ['I10'], corrupt: events }
  }

  private *connections(): Iterable<Case> {
    for (const { name, citadel, node } of this.living.slice(0, 2)) {
      const fewer = citadel.nodes().slice(1)
      const cut = () => patch(citadel, 'nodes', () => fewer)
      yield { what: `${name} lacks a connection`, breaks: ['I1'], corrupt: cut }
      const unsettled = () => patch(node.scopes.views, 'settled', false)
      yield { what: `the view of ${name} has not settled`, breaks: ['I1'], corrupt: unsettled }
    }
  }

  // What has to come back.

  private *apart(): Iterable<Case> {
    for (const { what, breaks, corrupt } of this.rows()) {
      if (breaks[0] === 'I1' && /owner/.test(what)) yield { what, breaks: ['I18'], corrupt }
    }
    for (const { what, corrupt } of this.connections()) {
      if (/lacks/.test(what)) yield { what, breaks: ['I18'], corrupt }
    }
    const { children, names } = this.ledgers
    const twice = () => patch(children, 'twice', () => [{ id: 1, alive: [] }])
    yield { what: 'a child runs twice', breaks: ['I18'], corrupt: twice }
    const lost = () => patch(names, 'lost', () => ['a key is lost'])
    yield { what: 'a key is lost', breaks: ['I18'], corrupt: lost }
  }

  private *replicas(): Iterable<Case> {
    const [one, other] = this.living as [ClusterMember, ClusterMember]
    for (const name of [REGISTRY_SCOPE, 'g:groups', CHILDREN_SCOPE]) {
      const { replica } = one.node.scopes.scope<'c' | 'g'>(name)
      const rows = replica['ins'].get(other.name)!.origin.rows as RowMap<Row>
      const [id] = rows.keys()
      const row = id === undefined ? undefined : rows.get(id)
      if (id === undefined || !row) continue
      const put = (key: string, value: object | undefined) => () => {
        if (value) rows.set(key, value as Row)
        else rows.delete(key)
        return () => {
          if (key === id) rows.set(key, row)
          else rows.delete(key)
        }
      }
      const cases: Record<string, Case['corrupt']> = {
        'a row is missing': put(id, undefined),
        'a row is another': put(id, { ...row, epoch: 1_000_000, count: 1_000_000 }),
        'there is a row more': put('more', { ...row, id: 'more' }),
      }
      for (const [what, corrupt] of Object.entries(cases)) {
        yield { what: `${what} (${name})`, breaks: ['I8'], corrupt }
      }
    }
  }

  // Deaths, harm, grants.

  private async deaths(): Promise<void> {
    for (const [index, by] of this.living.entries()) {
      const victim = this.living[(index + 1) % this.living.length]!
      const { name: node, creation } = victim
      const ledgers = this.shadow()
      const watch = new DeathWatch(ledgers.oracle)
      watch['event'](by, { type: 'unreachable', node, creation })
      const clean = ledgers.oracle.breach?.invariant
      const checker = 'deaths'
      this.verdicts.push({ checker, what: `unreachable ${index}`, breaks: [], found: clean })
      watch['event'](by, { type: 'dead', node, creation, certain: true })
      const found = ledgers.oracle.breach?.invariant
      this.verdicts.push({ checker, what: `${by.name} buries ${node}`, breaks: ['I7'], found })
    }
  }

  private async unharmed(): Promise<void> {
    const harms: Record<string, (ledgers: Ledgers) => Undo> = {
      'a connection goes down': ({ disruptions: { count } }) =>
        patch(this.ledgers.disruptions, 'count', count + 1),
      'a node is held for dead': ({ deaths: { deaths } }) =>
        patch(this.ledgers.deaths, 'deaths', deaths + 1),
    }
    for (const [what, harm] of Object.entries(harms)) {
      const ledgers = this.shadow()
      const watch = new Unharmed(ledgers)
      await this.judgeWith('harm', what, ledgers, () => watch.check(), harm)
    }
  }

  private async judgeWith(
    checker: string,
    what: string,
    ledgers: Ledgers,
    check: () => void,
    harm: (ledgers: Ledgers) => Undo,
  ): Promise<void> {
    check()
    const { breach } = ledgers.oracle
    this.verdicts.push({ checker, what: 'nothing', breaks: [], found: breach?.invariant })
    const undo = harm(ledgers)
    check()
    undo()
    const found = ledgers.oracle.breach?.invariant
    this.verdicts.push({ checker, what, breaks: ['I16'], found })
  }

  /** As if one more claim had been written just now. */
  private grantsOfKeys(): void {
    for (const scopeName of [REGISTRY_SCOPE, CHILDREN_SCOPE]) {
      const watched = this.grants['watched'].get(scopeName)!
      const claims = watched.flatMap(({ scope }) => [...scope.own.rows.values()] as Claim[])
      const owned = claims.filter(({ forced }) => !forced)
      for (const claim of owned.slice(0, 6)) {
        this.grantAgain(scopeName, claim, claim.epoch + 1, 'I3')
      }
      for (const { seen } of watched) {
        const free = [...seen].find(([id]) => claims.every((claim) => claim.id !== id))
        if (!free) continue
        const [id, { epoch }] = free
        // By force it may be taken under any epoch.
        const claim = { ...claims[0]!, id, epoch, forced: false }
        for (const lower of [0, 1]) this.grantAgain(scopeName, claim, epoch - lower, 'I5')
        break
      }
    }
  }

  private grantAgain(scopeName: string, claim: Claim, epoch: number, breaks: InvariantId): void {
    const { grants } = this
    const oracle = new ShadowOracle(this.ledgers.oracle.cluster)
    const undo = patch(grants as unknown as { oracle: ShadowOracle }, 'oracle', oracle)
    const by = grants['watched'].get(scopeName)!.find(({ scope }) => scope.own !== claim.origin)!
    const { own } = by.scope
    const after = { ...claim, epoch, origin: own } as Claim
    const rows = own.rows as RowMap<Row>
    rows.set(claim.id, after)
    grants['changed'](scopeName, by, { id: claim.id, before: undefined, after } as never)
    rows.delete(claim.id)
    undo()
    const what = `${claim.id} (${scopeName}) is granted once more with epoch ${epoch}`
    const found = oracle.breach?.invariant
    this.verdicts.push({ checker: 'grants', what, breaks: [breaks], found })
  }
}
