/**
 * Who takes part in a distributed supervisor: the nodes that started it, as rows of a group scope
 * with what each of them offers. Placement is a pure function of these rows.
 */
import type { Groups } from './groups.js'
import { type Placement, type PlacementMember, rendezvous } from './placement.js'

export interface MemberOffer {
  readonly modules: readonly string[]
  readonly weight: number
}

interface Member extends PlacementMember {
  readonly modules: ReadonlySet<string>
}

export class SupervisorMembers {
  constructor(
    private readonly groups: Groups,
    private readonly supervisor: string,
    private readonly placement: Placement = rendezvous,
  ) {}

  /** The member nodes, sorted by name. */
  nodes(): string[] {
    return this.list().map(({ node }) => node)
  }

  /** The node that an id belongs on: among those that offer `module`, or among all. */
  nodeFor(id: string, module?: string): string | undefined {
    return this.chooser()(id, module)
  }

  /** `nodeFor` with the members of this moment, for many ids at a time. */
  chooser(): (id: string, module?: string) => string | undefined {
    const members = this.list()
    const able = new Map<string, readonly Member[]>()
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

  private list(): Member[] {
    const members: Member[] = []
    for (const { pid, meta } of this.groups.rows(this.supervisor)) {
      const offer = meta as MemberOffer
      members.push({ node: pid.node, weight: offer.weight, modules: new Set(offer.modules) })
    }
    return members.sort((a, b) => (a.node < b.node ? -1 : 1))
  }
}
