"""The journeys that are played: they count, wait, remind, split, ask and send.

Each step of a user leaves a trace that a lost, repeated or reordered input would change: the tally
is a number that only ever grows by one, orders are told apart by their key, and every question gets
the answer that belongs to it.
"""

FIRST_WAIT_MS = 2_000
SECOND_WAIT_MS = 1_500

DOCUMENTS = """\
kind: Destination
name: letters
type: http
url: {url}/letters
timeout: {time_out}
retry: {{for: 20m, first: 200ms, max_delay: 2s}}
---
kind: Destination
name: pushes
type: http
url: {url}/pushes
timeout: {time_out}
ordered: true
retry: {{for: 20m, first: 200ms, max_delay: 2s}}
---
kind: Destination
name: answers
type: http
url: {url}/answers
timeout: {time_out}
retry: {{for: 20m, first: 200ms, max_delay: 2s}}
---
kind: Journey
name: order
entry: {{event: begin, key: event.properties.order}}
exit: [{{event: cancel, match: event.properties.order, reason: cancelled}}]
nodes:
  first:
    {{type: wait_for_event, event: pay, within: 2s, next: split, on_timeout: remind}}
  remind:
    {{type: destination, destination: letters, payload: {{order: '${{journey.key}}', late: true}}}}
  second:
    {{type: wait_for_event, event: pay, within: 1500ms, next: split, on_timeout: lost}}
  split:
    type: experiment
    variants: {{letter: {{weight: 1, next: letter}}, push: {{weight: 1, next: push}}}}
  letter:
    type: destination
    destination: letters
    payload: {{order: '${{journey.key}}', late: false}}
    next: paid
  push:
    type: destination
    destination: pushes
    payload: {{order: '${{journey.key}}'}}
    next: paid
  paid: {{type: exit, reason: paid}}
  lost: {{type: exit, reason: lost}}
---
kind: Journey
name: tally
entry: {{event: tick}}
nodes:
  count:
    type: update_profile
    traits: {{ticks: '${{has(user.traits.ticks) ? user.traits.ticks + 1 : 1}}'}}
  say:
    type: destination
    destination: pushes
    payload: {{ticks: '${{user.traits.ticks}}'}}
---
kind: Journey
name: question
entry: {{event: ask}}
nodes:
  asked:
    type: trigger
    destination: answers
    payload: {{of: '${{entry.properties.number}}'}}
    response: {{answer: payload.answer}}
    within: 20m
    next: told
    on_error: silent
  told:
    type: destination
    destination: letters
    payload:
      of: '${{entry.properties.number}}'
      answer: '${{steps.asked.response.answer}}'
    next: answered
  answered: {{type: exit, reason: answered}}
  silent: {{type: exit, reason: silent}}
"""
