import { describe, expect, test } from 'vitest'
import { type Capability, type KnownMember, LEAVING } from '../../../src/mesh/capability.js'
import {
  defaultMembershipTimes,
  Membership,
  type MembershipEffect,
  type MembershipEvent,
} from '../../../src/mesh/membership.js'
import type { Opinion } from '../../../src/mesh/opinions.js'

const capability = (node: string, members: KnownMember[] = []): Capability => ({
  version: 1,
  features: [],
  modules: [],
  addresses: [`tcp://${node}:1`],
  weight: 1,
  members,
})

const says = (...nodes: string[]): Opinion => ({
  unreachable: nodes.map((node) => ({ node, creation: 1 })),
  agrees: [],
})

const told = (effect: MembershipEffect): string => {
  if (effect.type === 'emit') return `${effect.event.type} ${effect.event.node}`
  return effect.type === 'tellStatus' ? effect.type : `${effect.type} ${effect.node}`
}

/** A story: events at times, each with the effects it must have, as short words. */
function story(self = 'a@h', enough?: number) {
  const machine = new Membership(self, defaultMembershipTimes, () => 0.5, enough)
  let now = 0
  return {
    machine,
    at(timeMs: number, event: MembershipEvent): string[] {
      now = timeMs
      return machine.step(event, now).map(told)
    },
    up(node: string, creation = 1, members: KnownMember[] = []): string[] {
      const event = { type: 'capability' as const, node, creation }
      return machine.step({ ...event, capability: capability(node, members) }, now).map(told)
    },
    tick(timeMs: number, doubting = false): string[] {
      now = timeMs
      return machine.step({ type: 'tick', doubting }, now).map(told)
    },
    /** Rounds of a quarter of a second from one time to another, both included. */
    rounds(fromMs: number, toMs: number): string[] {
      const effects: string[] = []
      for (now = fromMs; now <= toMs; now += 250) {
        effects.push(...machine.step({ type: 'tick', doubting: false }, now).map(told))
      }
      now = toMs
      return effects
    },
    /** A member tells that it is about to stop. */
    leaves(node: string): string[] {
      const offer = { ...capability(node), features: ['other', LEAVING] }
      const event = { type: 'capability' as const, node, creation: 1, capability: offer }
      return machine.step(event, now).map(told)
    },
    status: (node: string) => machine.get(node)?.status,
  }
}

describe('a lost connection', () => {
  test('makes a member unreachable and is redialled at once; the answer brings it up again', () => {
    const { at, up, status } = story()
    expect(up('b@h')).toEqual(['up b@h'])
    expect(at(10, { type: 'down', node: 'b@h', heardAt: 9 })).toEqual([
      'unreachable b@h',
      'dial b@h',
      'tellStatus',
    ])
    expect(status('b@h')).toBe('unreachable')
    expect(at(11, { type: 'answered', node: 'b@h', creation: 1 })).toEqual([])
    expect(up('b@h')).toEqual(['up b@h'])
  })

  test('is not redialled at once when ten in a row broke as soon as they were up', () => {
    const { at, up, tick } = story()
    const dials: boolean[] = []
    for (let round = 0; round < 12; round++) {
      up('b@h')
      const effects = at(round * 100 + 5, { type: 'down', node: 'b@h', heardAt: 0 })
      dials.push(effects.includes('dial b@h'))
      at(round * 100 + 100, { type: 'answered', node: 'b@h', creation: 1 })
    }
    expect(dials).toEqual([...Array(10).fill(true), false, false])
    expect(tick(2_200)).toContain('dial b@h')
  })

  test('means death when the last listen address refuses', () => {
    const { at, up, status } = story()
    up('b@h')
    at(10, { type: 'down', node: 'b@h', heardAt: 9 })
    expect(at(11, { type: 'dialFailed', node: 'b@h', refused: true })).toEqual(['dead b@h'])
    expect(status('b@h')).toBeUndefined()
  })

  test('means death when another creation answers, and that one comes up', () => {
    const { at, up } = story()
    up('b@h', 1)
    at(10, { type: 'down', node: 'b@h', heardAt: 9 })
    expect(at(12, { type: 'answered', node: 'b@h', creation: 2 })).toEqual(['dead b@h'])
    expect(up('b@h', 2)).toEqual(['up b@h'])
  })

  test('is redialled at most a second apart when dialling fails otherwise', () => {
    const { at, up, tick } = story()
    up('b@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    const dialledAt: number[] = []
    const failed = { type: 'dialFailed' as const, node: 'b@h', refused: false }
    expect(at(20, failed)).toEqual(['dial b@h'])
    expect(at(50, failed)).toEqual([])
    for (let timeMs = 250; timeMs < 4_000; timeMs += 250) {
      if (!tick(timeMs).includes('dial b@h')) continue
      dialledAt.push(timeMs)
      at(timeMs, { type: 'dialFailed', node: 'b@h', refused: false })
    }
    expect(dialledAt.length).toBeGreaterThanOrEqual(4)
    const gaps = dialledAt.map((timeMs, index) => timeMs - (dialledAt[index - 1] ?? 50))
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1_000)
  })
})

describe('a silent member', () => {
  test('is dead at the limit, not before, when nobody else is reached', () => {
    const { at, up, tick } = story()
    up('b@h')
    at(100, { type: 'down', node: 'b@h', heardAt: 100 })
    at(150, { type: 'dialFailed', node: 'b@h', refused: false })
    tick(350)
    expect(tick(4_599)).not.toContain('dead b@h')
    expect(tick(4_600)).toContain('dead b@h')
  })

  test('is not dead while one member still reached does not agree', () => {
    const { at, up, rounds } = story()
    up('b@h')
    up('c@h')
    up('d@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    for (let second = 5; second < 20; second++) {
      at(1_000 * second, { type: 'status', node: 'c@h', opinion: says('b@h') })
      at(1_000 * second, { type: 'status', node: 'd@h', opinion: says() })
      expect(rounds(1_000 * second, 1_000 * second + 750)).not.toContain('dead b@h')
    }
    expect(at(20_100, { type: 'status', node: 'd@h', opinion: says('b@h') })).toContain('dead b@h')
  })

  test('is not dead before it was dialled in vain, although the limit is over and all agree', () => {
    const { at, up, rounds, status } = story()
    up('b@h')
    up('c@h')
    at(4_600, { type: 'status', node: 'c@h', opinion: says('b@h') })
    // Cut off for two seconds; TCP tried again too late. The way is free, and the dial brings it.
    expect(at(4_700, { type: 'down', node: 'b@h', heardAt: 0 })).toEqual([
      'unreachable b@h',
      'dial b@h',
      'tellStatus',
    ])
    expect(rounds(4_750, 4_900)).toEqual([])
    expect(up('b@h')).toEqual(['up b@h'])
    expect(rounds(5_000, 9_000)).toEqual([])
    expect(status('b@h')).toBe('connected')
    // This time nothing comes.
    at(9_100, { type: 'status', node: 'c@h', opinion: says('b@h') })
    at(9_250, { type: 'down', node: 'b@h', heardAt: 4_700 })
    expect(rounds(9_500, 9_600)).not.toContain('dead b@h')
    expect(rounds(9_750, 9_750)).toContain('dead b@h')
  })

  test('is not confirmed by rounds in which this node was late itself', () => {
    const { at, up, tick } = story()
    up('b@h')
    at(5_000, { type: 'down', node: 'b@h', heardAt: 0 })
    expect(tick(5_250)).not.toContain('dead b@h')
    expect(tick(7_250, true)).not.toContain('dead b@h')
    expect(tick(8_250, true)).not.toContain('dead b@h')
    expect(tick(8_500)).toContain('dead b@h')
  })

  test('is not dead while a member that reaches it stalls for three seconds', () => {
    const { at, up, rounds } = story()
    up('b@h')
    up('c@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    at(900, { type: 'status', node: 'c@h', opinion: says() })
    // It ticks a second later at the latest, stalls, doubts itself for a second.
    expect(rounds(1_000, 5_000)).not.toContain('dead b@h')
    for (const timeMs of [5_100, 6_000]) {
      const opinion = { ...says(), doubting: true }
      at(timeMs, { type: 'status', node: 'c@h', opinion })
      expect(rounds(timeMs, timeMs + 800)).not.toContain('dead b@h')
    }
    at(7_000, { type: 'status', node: 'c@h', opinion: says() })
    expect(rounds(7_000, 15_000)).not.toContain('dead b@h')
  })

  test('is dead although one member doubts itself all the time: who never has an opinion has no say', () => {
    const { at, up, rounds } = story()
    up('b@h')
    up('c@h')
    up('d@h')
    const sick = { ...says(), doubting: true }
    for (let second = 0; second < 30; second++) {
      at(1_000 * second, { type: 'status', node: 'c@h', opinion: sick })
      at(1_000 * second, { type: 'status', node: 'd@h', opinion: says() })
      expect(rounds(1_000 * second, 1_000 * second + 750)).toEqual([])
    }
    at(30_000, { type: 'down', node: 'b@h', heardAt: 30_000 })
    at(30_100, { type: 'status', node: 'c@h', opinion: sick })
    at(30_200, { type: 'status', node: 'd@h', opinion: says('b@h') })
    expect(rounds(30_250, 34_400)).not.toContain('dead b@h')
    expect(rounds(34_500, 34_500)).toContain('dead b@h')
  })

  test('is dead although the words of one member are stuck behind a big message', () => {
    const { at, up, rounds } = story()
    up('b@h')
    up('c@h')
    at(0, { type: 'status', node: 'c@h', opinion: says() })
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    // Its link lives, because bytes of the big one keep coming.
    expect(rounds(250, 8_750)).not.toContain('dead b@h')
    expect(rounds(9_000, 9_000)).toContain('dead b@h')
  })

  test('is not dead because a sick member said so before it fell ill', () => {
    const { at, up, rounds } = story()
    up('b@h')
    up('c@h')
    at(0, { type: 'status', node: 'c@h', opinion: says('b@h') })
    at(500, { type: 'status', node: 'c@h', opinion: { ...says(), doubting: true } })
    at(600, { type: 'down', node: 'b@h', heardAt: 600 })
    expect(rounds(750, 8_900)).not.toContain('dead b@h')
  })

  test('is not dead while this node doubts itself', () => {
    const { at, up, tick } = story()
    up('b@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    expect(tick(9_000, true)).not.toContain('dead b@h')
    expect(tick(10_000, false)).not.toContain('dead b@h')
    expect(tick(10_250, false)).toContain('dead b@h')
  })

  test('is dialled on after its death, so that a healed partition comes together', () => {
    const { at, up, tick } = story()
    up('b@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    at(10, { type: 'dialFailed', node: 'b@h', refused: false })
    tick(250)
    expect(tick(5_000)).toContain('dead b@h')
    at(5_001, { type: 'dialFailed', node: 'b@h', refused: false })
    expect(tick(10_000)).toEqual(['dial b@h'])
    expect(up('b@h')).toEqual(['up b@h'])
  })

  test('agreement of a member that was lost and came back has to be given anew', () => {
    const { at, up, rounds } = story()
    up('b@h')
    up('c@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    at(100, { type: 'status', node: 'c@h', opinion: says('b@h') })
    at(200, { type: 'down', node: 'c@h', heardAt: 200 })
    up('c@h')
    expect(rounds(250, 6_000)).not.toContain('dead b@h')
  })
})

describe('in quorum mode', () => {
  test('five nodes: what three do not hear is dead although the fourth still hears it', () => {
    const { at, up, rounds } = story('a@h', 3)
    for (const node of ['b@h', 'c@h', 'd@h', 'e@h']) up(node)
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    at(100, { type: 'status', node: 'e@h', opinion: says() })
    at(100, { type: 'status', node: 'c@h', opinion: says('b@h') })
    expect(rounds(250, 6_000)).not.toContain('dead b@h')
    at(6_100, { type: 'status', node: 'e@h', opinion: says() })
    expect(at(6_100, { type: 'status', node: 'd@h', opinion: says('b@h') })).toContain('dead b@h')
  })

  test('three nodes: what one does not hear and another one hears is not dead', () => {
    const { at, up, tick } = story('a@h', 2)
    up('b@h')
    up('c@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    for (let now = 250; now <= 12_000; now += 250) {
      at(now, { type: 'status', node: 'c@h', opinion: says() })
      expect(tick(now)).not.toContain('dead b@h')
    }
  })
})

describe('asked by others', () => {
  test('a node agrees when it never knew the one in question, and does not ask back', () => {
    const { at, up, machine } = story()
    up('c@h')
    expect(at(10, { type: 'status', node: 'c@h', opinion: says('x@h') })).toContain('tellStatus')
    expect(machine.opinion(20)).toEqual({
      unreachable: [],
      agrees: [{ node: 'x@h', creation: 1 }],
    })
    expect(at(30, { type: 'status', node: 'c@h', opinion: says('x@h') })).toEqual([])
    expect(machine.opinion(9_000)).toEqual({ unreachable: [], agrees: [] })
  })

  test('a node does not agree about a member that it reaches, but does about its old creation', () => {
    const { at, up, machine } = story()
    up('b@h', 2)
    up('c@h')
    const unreachable = [
      { node: 'b@h', creation: 2 },
      { node: 'b@h', creation: 1 },
    ]
    at(10, { type: 'status', node: 'c@h', opinion: { unreachable, agrees: [] } })
    expect(machine.opinion(10).agrees).toEqual([{ node: 'b@h', creation: 1 }])
  })

  test('a node in doubt says nothing, and speaks when it has caught up', () => {
    const { at, up, tick, machine } = story()
    up('b@h')
    up('c@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    tick(100, true)
    expect(machine.opinion(100)).toEqual({ unreachable: [], agrees: [], doubting: true })
    expect(tick(1_200, false)).toContain('tellStatus')
  })
})

describe('a member that is leaving', () => {
  test('keeps nobody from holding a silent one for dead', () => {
    const { at, up, leaves, tick, machine } = story()
    up('b@h')
    up('c@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    tick(250)
    expect(tick(5_000)).not.toContain('dead b@h')
    expect(leaves('c@h')).toEqual(['changed c@h'])
    expect([machine.isLeaving('c@h'), machine.isLeaving('b@h')]).toEqual([true, false])
    expect(tick(5_250)).toContain('dead b@h')
  })

  test('does not stand in for the others, who still have to agree', () => {
    const { at, up, leaves, rounds } = story()
    for (const node of ['b@h', 'c@h', 'd@h']) up(node)
    leaves('c@h')
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    at(100, { type: 'status', node: 'c@h', opinion: says('b@h') })
    for (let second = 1; second <= 20; second++) {
      at(1_000 * second, { type: 'status', node: 'd@h', opinion: says() })
      expect(rounds(1_000 * second, 1_000 * second + 750)).not.toContain('dead b@h')
    }
    expect(at(20_800, { type: 'status', node: 'd@h', opinion: says('b@h') })).toContain('dead b@h')
  })

  test('has a say again when another start of it comes up', () => {
    const { at, up, leaves, tick, machine } = story()
    up('b@h')
    up('c@h')
    leaves('c@h')
    expect(at(10, { type: 'goodbye', node: 'c@h' })).toEqual(['dead c@h'])
    expect(machine.isLeaving('c@h')).toBe(false)
    up('c@h', 2)
    at(20, { type: 'down', node: 'b@h', heardAt: 20 })
    tick(250)
    tick(500)
    expect(tick(8_000)).not.toContain('dead b@h')
  })

  test('holds nobody for dead because of silence by itself, and follows the others that have a say', () => {
    const { at, up, leaves, tick, rounds } = story()
    for (const node of ['b@h', 'c@h', 'd@h']) up(node)
    at(0, { type: 'leaving' })
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    tick(250)
    expect(rounds(500, 6_000)).not.toContain('dead b@h')
    leaves('c@h')
    at(6_010, { type: 'status', node: 'c@h', opinion: says('b@h') })
    at(6_020, { type: 'status', node: 'd@h', opinion: says() })
    expect(tick(6_250)).not.toContain('dead b@h')
    expect(at(6_260, { type: 'status', node: 'd@h', opinion: says('b@h') })).toContain('dead b@h')
  })

  test('holds nobody for dead when nobody is left to say so, and answers what it is asked', () => {
    const { at, up, tick, machine } = story()
    up('b@h')
    up('c@h')
    expect(at(0, { type: 'leaving' })).toEqual([])
    expect(machine.isLeaving('a@h')).toBe(true)
    at(0, { type: 'down', node: 'b@h', heardAt: 0 })
    at(100, { type: 'status', node: 'c@h', opinion: says('b@h') })
    expect(machine.opinion(200).agrees).toEqual([{ node: 'b@h', creation: 1 }])
    at(250, { type: 'down', node: 'c@h', heardAt: 250 })
    tick(500)
    expect(tick(60_000).join()).not.toContain('dead')
  })

  test('still learns of a death by a refusal, a goodbye or another start', () => {
    const { at, up } = story()
    for (const node of ['b@h', 'c@h', 'd@h']) up(node)
    at(0, { type: 'leaving' })
    at(10, { type: 'down', node: 'b@h', heardAt: 9 })
    expect(at(11, { type: 'dialFailed', node: 'b@h', refused: true })).toContain('dead b@h')
    expect(at(12, { type: 'goodbye', node: 'c@h' })).toContain('dead c@h')
    expect(at(13, { type: 'answered', node: 'd@h', creation: 2 })).toContain('dead d@h')
  })
})

describe('leaving', () => {
  test('a goodbye is death at once, with no redial', () => {
    const { at, up, tick } = story()
    up('b@h')
    expect(at(5, { type: 'goodbye', node: 'b@h' })).toEqual(['dead b@h'])
    expect(at(6, { type: 'down', node: 'b@h', heardAt: 5 })).toEqual([])
    expect(tick(2_000)).toEqual([])
  })

  test('a disconnect is never death and is not redialled until connect is called', () => {
    const { at, up, tick, machine } = story()
    up('b@h')
    at(5, { type: 'disconnect', node: 'b@h' })
    expect(at(6, { type: 'down', node: 'b@h', heardAt: 5 })).toEqual([
      'unreachable b@h',
      'tellStatus',
    ])
    let probes = 0
    for (let timeMs = 250; timeMs < 60_000; timeMs += 250) {
      for (const effect of tick(timeMs)) {
        expect(effect).toBe('probe b@h')
        probes++
        expect(at(timeMs, { type: 'lives', node: 'b@h', creation: 1 })).toEqual([])
      }
    }
    expect(probes).toBeGreaterThan(60)
    expect(machine.opinion(60_000).unreachable).toEqual([])
    at(60_000, { type: 'connect', node: 'b@h' })
    expect(tick(60_500)).toContain('dial b@h')
  })

  test('a disconnected node that refuses a probe, or answers it as another start, is dead', () => {
    for (const end of [
      { type: 'dialFailed', node: 'b@h', refused: true },
      { type: 'lives', node: 'b@h', creation: 2 },
    ] as const) {
      const { at, up, tick } = story()
      up('b@h')
      at(5, { type: 'disconnect', node: 'b@h' })
      at(6, { type: 'down', node: 'b@h', heardAt: 5 })
      expect(tick(1_000)).toEqual(['probe b@h'])
      expect(at(1_001, end)).toEqual(['dead b@h'])
    }
  })

  test('a disconnected node that answers no probe is dead after the silent limit, if all agree', () => {
    const { at, up, tick } = story()
    up('b@h')
    up('c@h')
    at(5, { type: 'disconnect', node: 'b@h' })
    at(6, { type: 'down', node: 'b@h', heardAt: 5 })
    const until = (from: number, to: number): string[] => {
      const told: string[] = []
      for (let timeMs = from; timeMs <= to; timeMs += 250) {
        for (const effect of tick(timeMs)) {
          if (effect !== 'probe b@h') told.push(effect)
          else told.push(...at(timeMs, { type: 'dialFailed', node: 'b@h', refused: false }))
        }
        const opinion = timeMs < 8_000 ? says() : says('b@h')
        told.push(...at(timeMs, { type: 'status', node: 'c@h', opinion }))
      }
      return told
    }
    expect(until(250, 7_750)).toEqual([])
    expect(until(8_000, 8_500)).toContain('dead b@h')
  })

  test('a disconnected node is not dialled because another member names it', () => {
    const { at, up } = story()
    up('b@h')
    at(5, { type: 'disconnect', node: 'b@h' })
    at(6, { type: 'down', node: 'b@h', heardAt: 5 })
    const b = { node: 'b@h', creation: 1, addresses: ['tcp://b:1'] }
    expect(up('c@h', 1, [b])).toEqual(['up c@h'])
  })
})

describe('completion', () => {
  const b = { node: 'b@h', creation: 1, addresses: ['tcp://b:1'] }

  test('dials the members that a peer names and this node does not know, itself excepted', () => {
    const { up } = story()
    const self = { node: 'a@h', creation: 9, addresses: ['tcp://a:1'] }
    expect(up('c@h', 1, [b, self])).toEqual(['up c@h', 'dial b@h'])
    expect(up('c@h', 1, [b, self])).toEqual([])
  })

  test('forgets one that was only heard of when it refuses, without telling of any death', () => {
    const { at, up, status } = story()
    up('c@h', 1, [b])
    expect(at(5, { type: 'dialFailed', node: 'b@h', refused: true })).toEqual([])
    expect(status('b@h')).toBeUndefined()
  })

  test('tries one again that could not be reached', () => {
    const { at, up, tick } = story()
    up('c@h', 1, [b])
    const failed = { type: 'dialFailed' as const, node: 'b@h', refused: false }
    expect(at(5, failed)).toEqual([])
    expect(tick(1_000)).toEqual(['dial b@h'])
  })
})

test('a new capability on the same connection tells of the change only when the offer changed', () => {
  const { at, up } = story()
  up('b@h')
  expect(up('b@h')).toEqual([])
  const changed = { ...capability('b@h'), weight: 2 }
  const event = { type: 'capability' as const, node: 'b@h', creation: 1, capability: changed }
  expect(at(1, event)).toEqual(['changed b@h'])
})

describe('hearsay', () => {
  const crowd = (from: number, count: number): KnownMember[] =>
    Array.from({ length: count }, (_, n) => {
      return { node: `m${from + n}@h`, creation: 1, addresses: ['tcp://h:1'] }
    })
  const dials = (effects: readonly string[]): string[] =>
    effects.filter((effect) => effect.startsWith('dial '))

  test('of 100,000 nodes keeps a thousand and dials 16 at a time, and members at once all the same', () => {
    const { at, up, tick, machine } = story()
    up('b@h')
    const under = new Set(dials(up('c@h', 1, crowd(0, 600))).map((effect) => effect.slice(5)))
    expect(under.size).toBe(16)
    for (let n = 1; n < 200; n++) expect(dials(up('c@h', 1, crowd(n * 500, 500)))).toEqual([])
    const known = Array.from({ length: 100_000 }, (_, n) => machine.get(`m${n}@h`))
    expect(known.filter((one) => one !== undefined).length).toBe(1_000)
    // One that is a member and is lost does not wait behind them.
    expect(dials(at(10, { type: 'down', node: 'b@h', heardAt: 9 }))).toEqual(['dial b@h'])
    const seen = new Set(under)
    for (let timeMs = 250; timeMs < 60_000; timeMs += 250) {
      const [first] = under
      const begun = dials(tick(timeMs)).filter((effect) => effect !== 'dial b@h')
      if (first) {
        under.delete(first)
        begun.push(...dials(at(timeMs, { type: 'dialFailed', node: first, refused: false })))
      }
      for (const effect of begun) {
        under.add(effect.slice(5))
        seen.add(effect.slice(5))
      }
      expect(under.size).toBeLessThanOrEqual(17)
    }
    expect(seen.size).toBeGreaterThan(150)
  })

  test('of a hundred nodes that answer at once all are dialled within a second', () => {
    const { at, up, tick } = story()
    const seen = new Set<string>()
    let waiting = dials(up('c@h', 1, crowd(0, 100)))
    for (let timeMs = 10; timeMs <= 1_000; timeMs += 10) {
      const next: string[] = []
      for (const effect of waiting) {
        seen.add(effect)
        next.push(
          ...dials(at(timeMs, { type: 'dialFailed', node: effect.slice(5), refused: true })),
        )
      }
      if (timeMs % 200 === 0) next.push(...dials(tick(timeMs)))
      waiting = next
    }
    expect(seen.size).toBe(100)
  })
})
