/**
 * Who takes part in a distributed supervisor: the nodes that started it, as rows of a group scope
 * with what each of them offers. Placement is a pure function of these rows.
 */
import type { Membership } from './group-table.js'
import type { Groups } from './groups.js'
import { type Placement, type PlacementMember, rendezvous } from './placement.js'

export interface MemberOffer {
  readonly modules: readonly string[]
  readonly weight: number
}

interface Member extends PlacementMember {
  readonly modules: ReadonlySet<string>
}

interface Roster {
  /** What it was made from. */
  readonly rows: readonly Membership[]
  readonly members: readonly Member[]
  /** Those that offer a module, by its name. */
  readonly able: Map<string, readonly Member[]>
}

export class SupervisorMembers {
  private known: Roster = { rows: [], members: [], able: new Map() }

  constructor(
    private readonly groups: Groups,
    private readonly supervisor: string,
    private readonly placement: Placement = rendezvous,
  ) {}

  /** The member nodes, sorted by name. */
  nodes(): string[] {
    return this.roster().members.map(({ node }) => node)
  }

  /** The node that an id belongs on: among those that offer `module`, or among all. */
  nodeFor(id: string, module?: string): string | undefined {
    return this.chooser()(id, module)
  }

  /** `nodeFor` with the members of this moment, for many ids at a time. */
  chooser(): (id: string, module?: string) => string | undefined {
    const { members, able } = this.roster()
    const offering = (module: string): readonly Member[] => {
      const known = able.get(module)
      if (known) return known
      const list = members.filter((one) => one.modules.has(module))
      able.set(module, list)
      return list
    }
    return (id, module) =>
      this.placement.choose(id, module === undefined ? members : offering(module))
  }

  /** Made anew only when the rows are others than last time: this is asked for every child. */
  private roster(): Roster {
    const rows = [...this.groups.rows(this.supervisor)]
    const { known } = this
    if (rows.length === known.rows.length && rows.every((row, i) => row === known.rows[i])) {
      return known
    }
    const members = rows.map(({ pid, meta }) => {
      const { modules, weight } = meta as MemberOffer
      return { node: pid.node, weight, modules: new Set(modules) }
    })
    members.sort((a, b) => (a.node < b.node ? -1 : 1))
    this.known = { rows, members, able: new Map() }
    return this.known
  }
}
