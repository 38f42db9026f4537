#!/usr/bin/env python3
"""Publishes events from a service to a Unified WebSocket cluster, by REST. Python 3.9 or newer, standard library alone: copy this file.

As a module:

    from publisher import Publisher

    with Publisher('https://example.com/api/unified/ws', lambda reason: read_token()) as publisher:
        future = publisher.publish({'event_type': 'health_update', 'data': {'status': 'ok'}})
        print(future.result()['event_id'])

As a command, one event as JSON per line of the standard input:

    export UNIFIED_TOKEN=...
    echo '{"event_type": "health_update", "data": {"status": "ok"}}' | ./publisher.py --url https://example.com/api/unified/ws

Events go in batches, one request after the other, in the order of the calls. A request whose answer is lost is repeated with the same ids,
so each event is published once.
"""

import argparse
import email.utils
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections import deque
from concurrent.futures import Future

FIRST_RETRY_S = 0.1
MOST_RETRY_S = 30.0
# A longer Retry-After is cut: a wrong clock in a proxy must not silence a publisher for a day.
MOST_HINT_S = 300.0
# The share that is added to Retry-After by chance, so that publishers who were refused together do not come back together.
HINT_JITTER = 0.25
# The share of the idempotency window in which a retry may begin. What is left is for a request that is late on its way.
RETRIED_SHARE = 0.8
# New tokens that are refused in a row before events are given up: a new key takes some seconds to reach every node.
MAX_REFUSED_TOKENS = 4
# Target users of one request (docs/PROTOCOL.md).
MAX_BATCH_TARGETS = 10_000
TOKEN = re.compile(r'[\x21-\x7e]+')


class UnauthorizedError(Exception):
    """Raise it in `get_token` when there will never be a token: all events that wait are rejected."""


class PublishError(Exception):
    """Why an event was not published, or why nobody knows. It never holds a token.

    code: an error code of the server, or BUFFER_FULL, INVALID_EVENT, CLOSED, DELIVERY_TIMEOUT, OUTCOME_UNKNOWN, PAYLOAD_DIFFERS,
        UNAUTHORIZED, REFUSED.
    outcome: 'not_published', or 'unknown': the event may have been published, or may still be.
    event_id: the id of the event, given or made.
    status: HTTP status; None without an answer.
    errors: for VALIDATION_ERROR, [{'path', 'message'}] of this event.
    """

    def __init__(self, code, message, outcome='not_published', event_id=None, status=None, errors=()):
        super().__init__(f'{code}: {message}')
        self.code = code
        self.outcome = outcome
        self.event_id = event_id
        self.status = status
        self.errors = list(errors)


class _Elapsed:
    """Seconds since it was made."""

    def __init__(self):
        self._mono = time.monotonic()
        self._wall = time.time()

    def s(self):
        return time.monotonic() - self._mono

    def at_least_s(self):
        """By whichever clock shows more: the monotonic one stands still while the machine is suspended, and the server forgets ids."""
        return max(self.s(), time.time() - self._wall)


class _Buffered:
    """An event from publish() until its future is done."""

    def __init__(self, event):
        self.given = 'id' in event
        self.id = event['id'] if self.given else str(uuid.uuid4())
        self.type = event.get('event_type')
        # Each time the same: what the caller changes later does not count.
        self.body = json.dumps({**event, 'id': self.id}, allow_nan=False, separators=(',', ':')).encode()
        targets = event.get('target_user_ids')
        self.targets = len(targets) if isinstance(targets, list) else 0
        self.age = _Elapsed()
        # Since the first attempt that may have arrived.
        self.uncertain = None
        self.future = Future()


class Publisher:
    """Publishes events in batches from a thread of its own. Make one per process, and close it at the end.

    url: where the REST routes are, such as https://example.com/api/unified/ws.
    get_token(reason): gives a token with the permission events:publish. `reason` is 'initial', or 'refused' after a 401. All tokens must be
        of one user, because ids count per user. What it raises is retried; UnauthorizedError ends all events that wait.
    max_batch_events, max_batch_bytes: of one request.
    linger_s: how long an event waits for others to share its request.
    max_buffered_events, max_buffered_bytes: in memory, those under way included.
    when_full: 'reject' raises PublishError BUFFER_FULL; 'wait' blocks the caller until there is room (not in a callback of a future, which
        runs in the thread that makes room).
    delivery_timeout_s: from publish() on; then the event is given up with DELIVERY_TIMEOUT.
    request_timeout_s: for each step of a request.
    idempotency_window_s: IDEMPOTENCY_WINDOW_MS of the server, in seconds. An event whose outcome is unknown is retried for 80 % of it and
        then rejected with OUTCOME_UNKNOWN. The default is the least that a server may have.

    last_failure: why nothing is accepted at the moment, as a code such as RATE_LIMITED or ConnectionRefusedError; None: the last attempt
        succeeded, or there was none. For health checks.
    """

    def __init__(self, url, get_token, *, max_batch_events=500, max_batch_bytes=256 * 1024, linger_s=0.005, max_buffered_events=10_000,
                 max_buffered_bytes=16 * 1024 * 1024, when_full='reject', delivery_timeout_s=600.0, request_timeout_s=10.0,
                 idempotency_window_s=300.0):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ('http', 'https') or not parts.hostname or '@' in parts.netloc or parts.query or parts.fragment:
            raise ValueError('url must be http:// or https://, without a user, a query and a fragment')
        if when_full not in ('reject', 'wait'):
            raise ValueError("when_full must be 'reject' or 'wait'")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._path = parts.path.rstrip('/') + '/events'
        self._get_token = get_token
        self._token = None
        self._token_was_refused = False
        self._refused_tokens = 0
        self._max_batch_events, self._batch_events, self._batch_bytes = max_batch_events, max_batch_events, max_batch_bytes
        self._linger_s = linger_s
        self._max_events, self._max_bytes, self._waits = max_buffered_events, max_buffered_bytes, when_full == 'wait'
        self._delivery_timeout_s, self._request_timeout_s = delivery_timeout_s, request_timeout_s
        self._retried_s = idempotency_window_s * RETRIED_SHARE
        self.last_failure = None
        self._failures = 0
        self._connection = None
        self._buffer = deque()
        self._bytes = 0
        self._closed = False
        self._stopped = False
        # Guards what is above, and tells of each change.
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name='publisher', daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def publish(self, event):
        """Publishes one event (docs/PROTOCOL.md, publish_event). Returns a Future of {'event_id', 'accepted_at', 'duplicate'}.

        The future raises PublishError. It can be cancelled until the event is sent. Raises PublishError at once when the event is no JSON
        object, the buffer is full or the publisher is closed.
        """
        try:
            buffered = _Buffered(event)
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise PublishError('INVALID_EVENT', f'the event is no JSON object: {type(error).__name__}') from None
        size = len(buffered.body)
        if size > self._max_bytes:
            raise PublishError('INVALID_EVENT', 'the event is larger than the buffer', event_id=buffered.id)
        with self._changed:
            while not self._closed and not self._has_room_for(size):
                if not self._waits:
                    raise PublishError('BUFFER_FULL', 'the buffer is full', event_id=buffered.id)
                self._changed.wait()
            if self._closed:
                raise PublishError('CLOSED', 'the publisher is closed', event_id=buffered.id)
            self._buffer.append(buffered)
            self._bytes += size
            self._changed.notify_all()
        return buffered.future

    def close(self, timeout_s=10.0):
        """Takes no more events, publishes what is buffered, and rejects with CLOSED what is left when the time is over.

        Returns the number of those.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        with self._changed:
            left = list(self._buffer)
            self._stopped = True
            for buffered in left:
                self._reject(buffered, 'CLOSED', 'the publisher was closed before the server accepted the event')
            connection = self._connection
            self._changed.notify_all()
        # Ends the request under way.
        sock = connection.sock if connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It has ended by itself.
                pass
        return len(left)

    def _has_room_for(self, size):
        return len(self._buffer) < self._max_events and self._bytes + size <= self._max_bytes

    # All below runs in the thread, but for _reject and _settle in close().

    def _run(self):
        while True:
            with self._changed:
                while not self._buffer and not self._closed:
                    self._changed.wait()
                if self._stopped or not self._buffer:
                    break
                self._linger()
                batch = self._next_batch()
            retry_s = self._attempt(batch) if batch else None
            if retry_s is not None:
                self._pause(retry_s)
        if self._connection is not None:
            self._connection.close()

    def _linger(self):
        """Waits for more events, unless a request is full."""
        since = _Elapsed()
        while not self._closed and len(self._buffer) < self._batch_events and self._bytes < self._batch_bytes:
            left = self._linger_s - since.s()
            if left <= 0:
                return
            self._changed.wait(left)

    def _pause(self, seconds):
        """Ends early when an event's time is over, and when the publisher is stopped."""
        since = _Elapsed()
        with self._changed:
            while not self._stopped and self._buffer:
                self._reject_overdue()
                left = seconds - since.s()
                if left <= 0 or not self._buffer:
                    return
                self._changed.wait(max(0.001, min(left, min(self._left_s(buffered) for buffered in self._buffer))))

    def _next_batch(self):
        """The oldest events, as many as one request may hold. Those that were cancelled are forgotten."""
        self._reject_overdue()
        batch, size, targets = [], 2, 0
        for buffered in list(self._buffer):
            if buffered.future.cancelled():
                self._settle(buffered)
                continue
            size += len(buffered.body) + 1
            targets += buffered.targets
            if batch and (len(batch) >= self._batch_events or size > self._batch_bytes or targets > MAX_BATCH_TARGETS):
                break
            # From here on it cannot be cancelled.
            if buffered.future.running() or buffered.future.set_running_or_notify_cancel():
                batch.append(buffered)
            else:
                self._settle(buffered)
        return batch

    def _attempt(self, batch):
        """One request. Returns the seconds until the next one; None: at once."""
        try:
            token = self._token or self._new_token()
        except UnauthorizedError:
            with self._changed:
                for buffered in list(self._buffer):
                    self._reject(buffered, 'UNAUTHORIZED', 'get_token raised UnauthorizedError')
            return None
        except Exception:
            # The login service is away: that is no reason to lose events.
            return self._failed('TOKEN_UNAVAILABLE', None)
        certain = [buffered for buffered in batch if buffered.uncertain is None]
        # From before the request on: its events may be published before anybody here hears of it.
        for buffered in certain:
            buffered.uncertain = _Elapsed()
        kind, status, answer, hint_s = self._request(b'[' + b','.join(buffered.body for buffered in batch) + b']', token, len(batch))
        with self._changed:
            if kind != 'unknown':
                for buffered in certain:
                    buffered.uncertain = None
            if kind == 'accepted':
                return self._accept(answer, batch)
            if kind == 'refused':
                return self._refuse(status, answer, batch)
            if kind == 'unauthorized':
                return self._refuse_token(answer, batch)
            return self._failed(answer.get('code', f'HTTP_{status}'), hint_s)

    def _new_token(self):
        token = self._get_token('refused' if self._token_was_refused else 'initial')
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            raise TypeError('get_token gave no token')
        self._token = token
        return token

    def _request(self, body, token, count):
        """Returns (kind, status, answer, hint in seconds).

        kind: 'accepted'; 'refused', a repeat changes nothing; 'unauthorized'; 'not_now', nothing was published yet; 'unknown', some events
        may be published.
        """
        headers = {'Authorization': f'Bearer {token}', 'Content-Type': 'application/json', 'Accept': 'application/json'}
        try:
            connection = self._connected()
        except OSError as error:
            return 'not_now', None, {'code': type(error).__name__}, None
        try:
            connection.request('POST', self._path, body, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return 'unknown', None, {'code': type(error).__name__}, None
        status, hint_s = response.status, _retry_after_s(response.headers.get('Retry-After'))
        answer = _object_in(text)
        if 200 <= status < 300:
            ids = answer.get('event_ids')
            complete = isinstance(ids, list) and len(ids) == count and isinstance(answer.get('accepted_at'), str)
            return 'accepted' if complete else 'unknown', status, answer, hint_s
        if status == 401:
            return 'unauthorized', status, answer, hint_s
        if status == 429:
            return 'not_now', status, answer, hint_s
        if status >= 500 or status in (408, 425):
            return 'unknown', status, answer, hint_s
        return 'refused', status, answer, hint_s

    def _connected(self):
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._scheme == 'https' else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=self._request_timeout_s)
        if self._connection.sock is None:
            self._connection.connect()
        return self._connection

    def _failed(self, code, hint_s):
        self._failures += 1
        self.last_failure = code
        if hint_s is not None:
            return min(hint_s, MOST_HINT_S) * (1 + HINT_JITTER * random.random())
        return min(MOST_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures - 1, 16)) * random.random()

    def _succeeded(self):
        self._failures = 0
        self._refused_tokens = 0
        self.last_failure = None

    def _accept(self, answer, batch):
        self._succeeded()
        # After a refusal that named no event the batches were made smaller.
        self._batch_events = min(self._batch_events * 2, self._max_batch_events)
        duplicates, differ = set(answer.get('duplicates', ())), set(answer.get('payload_differs', ()))
        for buffered, event_id in zip(batch, answer['event_ids']):
            if buffered.given and event_id in differ:
                self._reject(buffered, 'PAYLOAD_DIFFERS', 'the server knows the id with another payload')
            elif self._settle(buffered):
                published = {'event_id': event_id, 'accepted_at': answer['accepted_at'], 'duplicate': event_id in duplicates}
                buffered.future.set_result(published)

    def _refuse(self, status, answer, batch):
        """Rejects the events that the server named; without any, finds them by halving the batch."""
        self._succeeded()
        code, detail = answer.get('code', 'REFUSED'), answer.get('detail', f'the answer was {status}')
        named = {}
        for error in answer.get('errors', ()):
            match = re.fullmatch(r'/(\d+)(.*)', error.get('path', ''))
            if match and int(match[1]) < len(batch):
                named.setdefault(int(match[1]), []).append({'path': match[2], 'message': error.get('message', '')})
        # A permission is missing for a type, and so for each event of this type.
        event_type = (answer.get('details') or {}).get('event_type')
        if event_type is not None:
            named.update({index: [] for index, buffered in enumerate(batch) if buffered.type == event_type})
        if named:
            for index, errors in named.items():
                text = f"{errors[0]['path']} {errors[0]['message']}" if errors else detail
                self._reject(batch[index], code, text, status, errors)
        elif len(batch) > 1 and code in ('VALIDATION_ERROR', 'MESSAGE_ERROR'):
            self._batch_events = (len(batch) + 1) // 2
        elif len(batch) > 1 and status == 413:
            # Something on the way takes less, and will go on doing so.
            self._batch_bytes = sum(len(buffered.body) for buffered in batch) // 2
        else:
            for buffered in batch:
                self._reject(buffered, code, detail, status, answer.get('errors', ()))

    def _refuse_token(self, answer, batch):
        """A token is renewed at once: tokens expire. Then with pauses, and not for ever."""
        self._token = None
        self._token_was_refused = True
        self._refused_tokens += 1
        if self._refused_tokens < MAX_REFUSED_TOKENS:
            return self._failed(answer.get('code', 'HTTP_401'), 0 if self._refused_tokens == 1 else None)
        self._succeeded()
        for buffered in batch:
            self._reject(buffered, 'UNAUTHORIZED', answer.get('detail', 'the server refuses the token'), 401)
        return None

    def _left_s(self, buffered):
        left = self._delivery_timeout_s - buffered.age.s()
        return left if buffered.uncertain is None else min(left, self._retried_s - buffered.uncertain.at_least_s())

    def _reject_overdue(self):
        for buffered in list(self._buffer):
            if self._left_s(buffered) > 0:
                if buffered.uncertain is None:
                    return
            elif buffered.age.s() >= self._delivery_timeout_s:
                self._reject(buffered, 'DELIVERY_TIMEOUT', 'the server did not accept the event in time')
            else:
                self._reject(buffered, 'OUTCOME_UNKNOWN', 'no attempt was answered, and another one could publish the event twice')

    def _reject(self, buffered, code, message, status=None, errors=()):
        outcome = 'not_published' if buffered.uncertain is None else 'unknown'
        if self._settle(buffered) and (buffered.future.running() or buffered.future.set_running_or_notify_cancel()):
            buffered.future.set_exception(PublishError(code, message, outcome, buffered.id, status, errors))

    def _settle(self, buffered):
        """False: it was settled before."""
        try:
            # Among the first: the batch is the head of the buffer.
            self._buffer.remove(buffered)
        except ValueError:
            return False
        self._bytes -= len(buffered.body)
        self._changed.notify_all()
        return True


def _object_in(text):
    try:
        value = json.loads(text)
    except ValueError:
        # A proxy answers with a page of its own.
        return {}
    return value if isinstance(value, dict) else {}


def _retry_after_s(header):
    """Seconds, or an HTTP date. None: nothing that can be read."""
    text = (header or '').strip()
    if re.fullmatch(r'[0-9]+', text):
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - time.time())


def main():
    parser = argparse.ArgumentParser(description='Publishes the events of the standard input, one JSON object per line.')
    parser.add_argument('--url', required=True, help='such as https://example.com/api/unified/ws')
    parser.add_argument('--token-command', help='prints a token; run again after a 401. Default: the token is in UNIFIED_TOKEN')
    options = parser.parse_args()

    def get_token(_reason):
        if options.token_command is None:
            return os.environ['UNIFIED_TOKEN']
        return subprocess.run(options.token_command, shell=True, check=True, capture_output=True, text=True).stdout.strip()

    if options.token_command is None and not os.environ.get('UNIFIED_TOKEN'):
        parser.error('set UNIFIED_TOKEN, or give --token-command')
    failed = 0
    pending = deque()

    def tell(number, failure):
        nonlocal failed
        failed += 1
        print(f'line {number}: {failure}', file=sys.stderr)

    def finish(number, future):
        try:
            print(future.result()['event_id'])
        except PublishError as failure:
            tell(number, failure)

    with Publisher(options.url, get_token, when_full='wait') as publisher:
        for number, line in enumerate(sys.stdin, 1):
            if line.strip() == '':
                continue
            try:
                pending.append((number, publisher.publish(json.loads(line))))
            except (ValueError, PublishError) as failure:
                tell(number, failure)
            while pending and pending[0][1].done():
                finish(*pending.popleft())
        while pending:
            finish(*pending.popleft())
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
