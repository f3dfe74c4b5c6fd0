"""What commands are given: a journey that sends one mail, and where to."""

DESTINATION = """\
kind: Destination
name: mailer
type: http
url: http://mail.example.com/
"""
JOURNEY = """\
kind: Journey
name: welcome
entry: {event: Signed Up}
nodes:
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}'}}
"""
