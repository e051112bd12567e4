import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { giveLook } from '../../../src/base/looks.js'

class Inside {
  readonly secret = 'not shown'
  readonly parts = new Map([['many', 1]])
  readonly size = 3
}
giveLook(Inside, 'Outside', ({ size }) => ({ size }))

test('an object looks as its public name and fields say, wherever it is', () => {
  expect(inspect(new Inside())).toBe('Outside { size: 3 }')
  expect(inspect({ of: [new Inside()] })).toBe('{ of: [ Outside { size: 3 } ] }')
  expect(JSON.stringify([new Inside()])).toBe('[{"size":3}]')
})
