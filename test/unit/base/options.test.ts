import { describe, expect, test } from 'vitest'
import { nearest, type Rules, readOptions, rule } from '../../../src/base/options.js'

interface Options {
  force?: boolean | undefined
  timeoutMs?: number | undefined
}
const RULES: Rules<Options> = { force: rule.flag, timeoutMs: rule.milliseconds }
const read = (given: unknown) => readOptions('register', given as Options, RULES)
const refusal = (given: unknown): string => {
  try {
    read(given)
  } catch (error) {
    expect(error).toMatchObject({ code: 'bad_argument' })
    return (error as Error).message
  }
  return 'taken'
}

describe('options', () => {
  test('that are undefined, as a whole or one by one, are as if they were not given', () => {
    expect(read(undefined)).toEqual({})
    expect(read({ force: undefined, timeoutMs: undefined })).toEqual({})
    expect(read(Object.assign(Object.create(null), { force: true }))).toEqual({ force: true })
  })

  test('that do not exist are refused with the nearest name', () => {
    expect(refusal({ froce: true })).toBe("register has no option 'froce'; did you mean 'force'?")
    expect(refusal({ timeout: 1 })).toMatch(/did you mean 'timeoutMs'\?$/)
    expect(refusal({ Force: true })).toMatch(/did you mean 'force'\?$/)
    expect(refusal({ zebra: undefined })).toMatch(
      /no option 'zebra'; there are force, timeoutMs\.$/,
    )
    expect(refusal({ toString: 1 })).toMatch(/no option 'toString'/)
  })

  test('that are no plain object are refused', () => {
    const odd = [null, 5, 'force', [], new Map(), new Date(), () => 1, new (class Options {})()]
    for (const given of odd) expect(refusal(given)).toMatch(/takes its options as a plain object/)
  })

  test('with values that cannot be are refused by name', () => {
    for (const timeoutMs of [Number.NaN, -1, '5', {}, null]) {
      expect(refusal({ timeoutMs })).toMatch(/^timeoutMs of register is a number of milliseconds/)
    }
    expect(refusal({ force: 'yes' })).toBe("force of register is true or false, not 'yes'.")
  })

  test('that cannot be read or shown are refused, and nothing else is thrown', () => {
    const fails = () => {
      throw new Error('not to be read')
    }
    const trap = new Proxy({}, { ownKeys: fails, getPrototypeOf: fails, get: fails })
    const odd = {
      get force(): boolean {
        return fails() as never
      },
    }
    const silent = { toString: 1, [Symbol.for('nodejs.util.inspect.custom')]: fails }
    for (const given of [trap, odd]) expect(refusal(given)).toMatch(/cannot be read/)
    for (const force of [trap, silent, Object.create(null), Symbol('x')]) {
      expect(refusal({ force })).toMatch(/is true or false/)
    }
    expect(refusal({ force: 'x'.repeat(1e6) }).length).toBeLessThan(300)
  })

  test('a name is near by letters left out, put in, changed or swapped, not by chance', () => {
    const names = ['rebalance', 'restart', 'name', 'link', 'timeoutMs', 'id']
    const meant = { rebalanc: 'rebalance', restrat: 'restart', nmae: 'name', timeout: 'timeoutMs' }
    for (const [word, name] of Object.entries(meant)) expect(nearest(word, names)).toBe(name)
    for (const word of ['x', 'cookie', 'advertis', '']) expect(nearest(word, names)).toBeUndefined()
  })
})
