/**
 * Who takes part in a distributed supervisor: the nodes that started it, as rows of a group scope
 * with what each of them offers. Says which of them may run a child, and asks the placement which of
 * those it belongs on.
 */
import { attempt } from '../../base/arguments.js'
import { describe } from '../../base/describe.js'
import { CitadelError } from '../../base/errors.js'
import { failsLater } from '../../base/guard.js'
import type { ServerModule } from '../../kernel/process-port.js'
import { type Placement, type PlacementMember, rendezvous } from '../placement/placement.js'
import type { ProcessGroups } from '../registry/process-groups.js'
import { isText, listOf } from '../replication/wire-check.js'
import type { Membership } from '../tables/group-table.js'

/** What a member says of itself, in its row. What a peer leaves out has a default. */
export interface MemberOffer {
  /** The names of the classes it can start; none unless given. */
  readonly modules?: readonly string[]
  /** Those of them whose children hand their state over when they move; none unless given. */
  readonly handoffs?: readonly string[]
  /** 1 unless given. */
  readonly weight?: number
  readonly roles?: readonly string[]
  /** It is leaving: no child is placed there any more. */
  readonly draining?: boolean
}

export interface MembersOptions {
  /** Children run only on members that have it. */
  role?: string
  /** How many children of the supervisor run on a node, as far as this one knows. */
  childrenOf(node: string): number
}

export interface NodeForOptions {
  /** Where the child runs now: the answer of a sticky placement, if it may run there. */
  current?: string
  /** Nodes that are not chosen unless nobody else may run it. */
  avoid?: readonly string[]
}

export type NodeChooser = (
  id: string,
  module?: string,
  options?: NodeForOptions,
) => string | undefined

/** For a placement that keeps even: what each child may do, by the members of one moment. */
export interface EvenChooser {
  /** Those that may run it, sorted by name. */
  takers(module: string, avoid: readonly string[] | undefined): readonly PlacementMember[]
  mayLeave(id: string, node: string, module: string): boolean
}

interface Member extends PlacementMember {
  readonly modules: ReadonlySet<string>
  readonly handoffs: ReadonlySet<string>
  readonly draining: boolean
}

/** A member as it is for one batch: the children given to it are added. */
interface Counted extends PlacementMember {
  children: number
}

interface Roster {
  /** What it was made from. */
  readonly rows: readonly Membership[]
  readonly nodes: readonly string[]
  readonly members: ReadonlyMap<string, Member>
  /** Those that may run something. */
  readonly takers: readonly Member[]
  /** Those that may run a module, by its name. */
  readonly offering: ReadonlyMap<string, readonly Member[]>
}

const NOBODY: readonly never[] = []
const NOT_COUNTED: MembersOptions = { childrenOf: () => 0 }
const NOTHING: Required<MemberOffer> = {
  modules: [],
  handoffs: [],
  weight: 0,
  roles: [],
  draining: false,
}
const isTexts = listOf(isText)

export class SupervisorMembers {
  private renewals = 0
  private known: Roster = makeRoster([], NOT_COUNTED)

  constructor(
    private readonly groups: ProcessGroups,
    private readonly supervisor: string,
    private readonly placement: Placement = rendezvous,
    private readonly options: MembersOptions = NOT_COUNTED,
  ) {}

  /** Whether children stay where they run: see `Placement`. */
  get sticky(): boolean {
    return this.placement.sticky === true
  }

  /** How far apart the members may be before children move for that; undefined: however far. */
  get maxSkew(): number | undefined {
    const { maxSkew = Number.POSITIVE_INFINITY } = this.placement
    return this.sticky && maxSkew < Number.POSITIVE_INFINITY ? maxSkew : undefined
  }

  /** Whether a node runs too many children for the others that may run `module`. */
  isTooFull(node: string, module: string): boolean {
    const { maxSkew } = this
    if (maxSkew === undefined) return false
    const takers = able(this.roster(), module)
    const own = takers.find((taker) => taker.node === node)
    if (!own) return false
    const level = own.children / own.weight
    return takers.some(({ children, weight }) => level > (children + maxSkew) / weight)
  }

  evenChooser(): EvenChooser {
    const roster = this.roster()
    const lists = new Map<string, readonly PlacementMember[]>()
    return {
      takers: (module, avoid = NOBODY) => {
        const key = JSON.stringify([module, avoid])
        const known = lists.get(key)
        if (known) return known
        const list = openOf(able(roster, module), avoid)
        lists.set(key, list)
        return list
      },
      mayLeave: (id, node, module) =>
        roster.members.get(node)?.handoffs.has(module) === true && !this.stays(id, node),
    }
  }

  /** Another number whenever the members, or what they offer, have changed. */
  get version(): number {
    this.roster()
    return this.renewals
  }

  /** The member nodes, those that are draining included, sorted by name. */
  nodes(): string[] {
    return [...this.roster().nodes]
  }

  isDraining(node: string): boolean {
    return this.roster().members.get(node)?.draining === true
  }

  /** Whether a child of `module`, or any child, may run on a node. */
  mayRun(node: string, module?: string): boolean {
    return able(this.roster(), module).some((member) => member.node === node)
  }

  /** The node that an id belongs on: among those that may run `module`, or anything. */
  nodeFor(id: string, module?: string, options?: NodeForOptions): string | undefined {
    if (this.sticky) return this.chooser()(id, module, options)
    return this.choose(able(this.roster(), module), id, options)
  }

  /**
   * `nodeFor` with the members of this moment, for many ids at a time. A sticky placement sees what
   * it has given to whom, so nodes agree only if they ask for the same ids in the same order.
   */
  chooser(): NodeChooser {
    const roster = this.roster()
    if (!this.sticky) {
      return (id, module, options) => this.choose(able(roster, module), id, options)
    }
    const counted = new Map<string, Counted>()
    for (const { node, weight, roles, children } of roster.takers) {
      counted.set(node, { node, weight, roles, children })
    }
    const lists = new Map<readonly Member[], readonly Counted[]>()
    return (id, module, options) => {
      const takers = able(roster, module)
      let list = lists.get(takers)
      if (!list) {
        list = Object.freeze(takers.map(({ node }) => counted.get(node)!))
        lists.set(takers, list)
      }
      const node = this.choose(list, id, options)
      const chosen = node === undefined ? undefined : counted.get(node)
      if (chosen && node !== options?.current) chosen.children++
      return node
    }
  }

  private choose(
    members: readonly PlacementMember[],
    id: string,
    options: NodeForOptions | undefined,
  ): string | undefined {
    if (!options) return this.ask(id, members)
    const { current, avoid = NOBODY } = options
    const open = openOf(members, avoid)
    if (this.sticky && current !== undefined && open.some(({ node }) => node === current)) {
      return current
    }
    return this.ask(id, open)
  }

  /** @throws CitadelError `no_placement` when the placement throws, or names nobody who may run it. */
  private ask(id: string, members: readonly PlacementMember[]): string | undefined {
    let node: unknown
    try {
      node = this.placement.choose(id, members)
      failsLater(node, () => {})
    } catch (error) {
      throw this.wrong(`threw: ${describe(error)}`, error)
    }
    if (node === undefined) return undefined
    if (members.some((member) => member.node === node)) return node as string
    throw this.wrong(`answered ${describe(node)}, which is the name of no member that may run it`)
  }

  private stays(id: string, node: string): boolean {
    try {
      return this.placement.stays?.(id, node) === true
    } catch (error) {
      throw this.wrong(`threw: ${describe(error)}`, error)
    }
  }

  private wrong(what: string, cause?: unknown): CitadelError {
    const sentence = `The placement of supervisor "${this.supervisor}" ${what}; children stay where they are until it is mended.`
    return new CitadelError('no_placement', sentence, { cause })
  }

  /** Made anew only when the rows are others than last time: this is asked for every child. */
  private roster(): Roster {
    const { rows } = this.known
    let same = 0
    for (const row of this.groups.memberships(this.supervisor)) {
      if (row !== rows[same]) return this.renew()
      same++
    }
    return same === rows.length ? this.known : this.renew()
  }

  private renew(): Roster {
    this.renewals++
    this.known = makeRoster([...this.groups.memberships(this.supervisor)], this.options)
    return this.known
  }
}

function able(roster: Roster, module: string | undefined): readonly Member[] {
  return module === undefined ? roster.takers : (roster.offering.get(module) ?? NOBODY)
}

/** Without those that are to be avoided, unless there is nobody else. */
function openOf(
  members: readonly PlacementMember[],
  avoid: readonly string[],
): readonly PlacementMember[] {
  if (avoid.length === 0) return members
  const others = members.filter(({ node }) => !avoid.includes(node))
  return others.length > 0 ? others : members
}

function makeRoster(rows: readonly Membership[], options: MembersOptions): Roster {
  const { role } = options
  const members = new Map<string, Member>()
  for (const { pid, meta } of rows) members.set(pid.node, makeMember(pid.node, meta, options))
  const nodes = [...members.keys()].sort()
  const takers = nodes
    .map((node) => members.get(node)!)
    .filter(({ weight, draining, roles }) => {
      return weight > 0 && !draining && (role === undefined || roles.includes(role))
    })
  const offering = new Map<string, Member[]>()
  for (const member of takers) {
    for (const module of member.modules) {
      const list = offering.get(module)
      if (list) list.push(member)
      else offering.set(module, [member])
    }
  }
  // A placement of a user's own is shown these.
  for (const list of [takers, ...offering.values()]) Object.freeze(list)
  return { rows, nodes, members, takers, offering }
}

function makeMember(node: string, meta: unknown, options: MembersOptions): Member {
  const { modules, handoffs, weight, roles, draining } = readOffer(meta)
  return Object.freeze({
    node,
    weight,
    roles,
    modules: new Set(modules),
    handoffs: new Set(handoffs),
    draining,
    // Counted when it is asked for: most placements never do.
    get children() {
      return options.childrenOf(node)
    },
  })
}

/** A peer may be of another release, or broken: what makes no sense offers nothing. */
function readOffer(meta: unknown): Required<MemberOffer> {
  if (typeof meta !== 'object' || meta === null) return NOTHING
  const {
    modules = [],
    handoffs = [],
    weight = 1,
    roles = [],
    draining = false,
  } = meta as MemberOffer
  const isOffer = isTexts(modules) && isTexts(handoffs) && Number.isFinite(weight) && isTexts(roles)
  const isWhole = isOffer && typeof draining === 'boolean'
  return isWhole ? { modules, handoffs, weight, roles, draining } : NOTHING
}

/** What a node says of its classes. */
export function offerOf(
  modules: ReadonlyMap<string, ServerModule>,
): Pick<MemberOffer, 'modules' | 'handoffs'> {
  const names = [...modules.keys()]
  const movesItself = (name: string) => modules.get(name)!.prototype?.handoff !== undefined
  const handoffs = attempt(() => names.filter(movesItself))
  return { modules: names, handoffs }
}
